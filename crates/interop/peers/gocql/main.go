// gocql as a peer of `cargo xtask interop`: a line of JSON in, a line of JSON out.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"gopkg.in/inf.v0"
)

type line struct {
	Op        string
	Statement string
	Id        int
	Value     any
}

// The Go type in which values of a CQL type are read and written: pointers where null may be.
func goType(info gocql.TypeInfo) reflect.Type {
	switch info := info.(type) {
	case gocql.CollectionType:
		if info.Type() == gocql.TypeMap {
			key := goType(info.Key)
			if key.Kind() == reflect.Pointer {
				key = key.Elem()
			}
			return reflect.MapOf(key, goType(info.Elem))
		}
		return reflect.SliceOf(goType(info.Elem))
	case gocql.VectorType:
		return reflect.SliceOf(goType(info.SubType))
	case gocql.TupleTypeInfo:
		var fields []reflect.StructField
		for i, element := range info.Elems {
			fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: goType(element)})
		}
		return reflect.PointerTo(reflect.StructOf(fields))
	case gocql.UDTTypeInfo:
		var fields []reflect.StructField
		for i, element := range info.Elements {
			tag := reflect.StructTag(fmt.Sprintf("cql:%q", element.Name))
			fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: goType(element.Type), Tag: tag})
		}
		return reflect.PointerTo(reflect.StructOf(fields))
	}
	switch zero := info.Zero().(type) {
	case []byte, net.IP, *big.Int, *inf.Dec:
		return reflect.TypeOf(zero)
	default:
		return reflect.PointerTo(reflect.TypeOf(zero))
	}
}

func elements(info gocql.TypeInfo) []gocql.TypeInfo {
	switch info := info.(type) {
	case gocql.TupleTypeInfo:
		return info.Elems
	case gocql.UDTTypeInfo:
		var types []gocql.TypeInfo
		for _, element := range info.Elements {
			types = append(types, element.Type)
		}
		return types
	}
	return nil
}

// A value of Go's as JSON.
func neutral(value reflect.Value, info gocql.TypeInfo) any {
	switch value.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if value.IsNil() {
			return nil
		}
	}
	switch of := info.(type) {
	case gocql.CollectionType:
		if of.Type() == gocql.TypeMap {
			entries := []any{}
			for iter := value.MapRange(); iter.Next(); {
				entries = append(entries, []any{neutral(iter.Key(), of.Key), neutral(iter.Value(), of.Elem)})
			}
			return map[string]any{"map": entries}
		}
		items := items(value, of.Elem)
		if of.Type() == gocql.TypeSet {
			return map[string]any{"set": items}
		}
		return items
	case gocql.VectorType:
		return items(value, of.SubType)
	case gocql.TupleTypeInfo, gocql.UDTTypeInfo:
		if value.Kind() == reflect.Pointer {
			value = value.Elem()
		}
		fields := []any{}
		for i, element := range elements(info) {
			fields = append(fields, neutral(value.Field(i), element))
		}
		return fields
	}
	switch plain := value.Interface().(type) {
	case []byte:
		return hex.EncodeToString(plain)
	case net.IP:
		return hex.EncodeToString(plain)
	case *big.Int:
		return plain.String()
	case *inf.Dec:
		return fmt.Sprintf("%s*10^%d", plain.UnscaledBig(), -int64(plain.Scale()))
	}
	if value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	switch plain := value.Interface().(type) {
	case float32:
		return fmt.Sprintf("%08x", math.Float32bits(plain))
	case float64:
		return fmt.Sprintf("%016x", math.Float64bits(plain))
	case gocql.Duration:
		return []string{fmt.Sprint(plain.Months), fmt.Sprint(plain.Days), fmt.Sprint(plain.Nanoseconds)}
	case time.Duration:
		return fmt.Sprint(plain.Nanoseconds())
	case time.Time:
		if info.Type() == gocql.TypeDate {
			return fmt.Sprint(plain.Unix() / 86400)
		}
		return fmt.Sprint(plain.UnixMilli())
	case string, bool:
		return plain
	default:
		return fmt.Sprint(plain)
	}
}

func items(value reflect.Value, info gocql.TypeInfo) []any {
	items := []any{}
	for i := range value.Len() {
		items = append(items, neutral(value.Index(i), info))
	}
	return items
}

// A value of the Go type, of JSON.
func native(json any, info gocql.TypeInfo, goType reflect.Type) (reflect.Value, error) {
	made := reflect.New(goType).Elem()
	if json == nil {
		return made, nil
	}
	switch of := info.(type) {
	case gocql.CollectionType:
		if of.Type() == gocql.TypeMap {
			made.Set(reflect.MakeMap(goType))
			for _, entry := range json.(map[string]any)["map"].([]any) {
				key, err := native(entry.([]any)[0], of.Key, goType.Key())
				if err != nil {
					return made, err
				}
				value, err := native(entry.([]any)[1], of.Elem, goType.Elem())
				if err != nil {
					return made, err
				}
				made.SetMapIndex(key, value)
			}
			return made, nil
		}
		if of.Type() == gocql.TypeSet {
			json = json.(map[string]any)["set"]
		}
		return made, fill(made, json.([]any), of.Elem)
	case gocql.VectorType:
		return made, fill(made, json.([]any), of.SubType)
	case gocql.TupleTypeInfo, gocql.UDTTypeInfo:
		place := target(made)
		for i, element := range elements(info) {
			field, err := native(json.([]any)[i], element, place.Field(i).Type())
			if err != nil {
				return made, err
			}
			place.Field(i).Set(field)
		}
		return made, nil
	}
	scalar, err := scalar(json, info)
	if err != nil {
		return made, err
	}
	switch scalar.(type) {
	case []byte, net.IP, *big.Int, *inf.Dec:
		made.Set(reflect.ValueOf(scalar).Convert(made.Type()))
	default:
		target(made).Set(reflect.ValueOf(scalar).Convert(target(made).Type()))
	}
	return made, nil
}

// Behind the pointer, which is made, if it is one.
func target(value reflect.Value) reflect.Value {
	if value.Kind() != reflect.Pointer {
		return value
	}
	if value.IsNil() {
		value.Set(reflect.New(value.Type().Elem()))
	}
	return value.Elem()
}

func fill(made reflect.Value, items []any, info gocql.TypeInfo) error {
	made.Set(reflect.MakeSlice(made.Type(), len(items), len(items)))
	for i, item := range items {
		value, err := native(item, info, made.Type().Elem())
		if err != nil {
			return err
		}
		made.Index(i).Set(value)
	}
	return nil
}

func scalar(json any, info gocql.TypeInfo) (any, error) {
	if value, ok := json.(bool); ok {
		return value, nil
	}
	if parts, ok := json.([]any); ok {
		months, _ := strconv.ParseInt(parts[0].(string), 10, 32)
		days, _ := strconv.ParseInt(parts[1].(string), 10, 32)
		nanos, err := strconv.ParseInt(parts[2].(string), 10, 64)
		return gocql.Duration{Months: int32(months), Days: int32(days), Nanoseconds: nanos}, err
	}
	text := json.(string)
	switch info.Type() {
	case gocql.TypeAscii, gocql.TypeVarchar, gocql.TypeText:
		return text, nil
	case gocql.TypeBlob:
		return hex.DecodeString(text)
	case gocql.TypeInet:
		bytes, err := hex.DecodeString(text)
		return net.IP(bytes), err
	case gocql.TypeUUID, gocql.TypeTimeUUID:
		return gocql.ParseUUID(text)
	case gocql.TypeVarint:
		number, ok := new(big.Int).SetString(text, 10)
		if !ok {
			return nil, fmt.Errorf("%s is no number", text)
		}
		return number, nil
	case gocql.TypeDecimal:
		unscaled, exponent, _ := strings.Cut(text, "*10^")
		number, _ := new(big.Int).SetString(unscaled, 10)
		scale, err := strconv.ParseInt(exponent, 10, 64)
		return inf.NewDecBig(number, inf.Scale(-scale)), err
	case gocql.TypeFloat:
		bits, err := strconv.ParseUint(text, 16, 32)
		return math.Float32frombits(uint32(bits)), err
	case gocql.TypeDouble:
		bits, err := strconv.ParseUint(text, 16, 64)
		return math.Float64frombits(bits), err
	}
	number, err := strconv.ParseInt(text, 10, 64)
	switch info.Type() {
	case gocql.TypeDate:
		return time.Unix(number*86400, 0).UTC(), err
	case gocql.TypeTimestamp:
		return time.UnixMilli(number).UTC(), err
	case gocql.TypeTime:
		return time.Duration(number), err
	}
	return number, err
}

func write(session *gocql.Session, line line) error {
	var fields []any
	bind := func(query *gocql.QueryInfo) ([]any, error) {
		info := query.Args[0].TypeInfo
		value, err := native(line.Value, info, goType(info))
		if err != nil {
			return nil, err
		}
		if tuple, ok := info.(gocql.TupleTypeInfo); ok {
			for i := range tuple.Elems {
				fields = append(fields, target(value).Field(i).Interface())
			}
			return nil, fmt.Errorf("a tuple")
		}
		return []any{value.Interface(), line.Id}, nil
	}
	err := session.Bind(line.Statement, bind).Exec()
	if fields == nil {
		return err
	}
	// gocql counts the fields of a tuple as values, and then finds no markers for them; each needs its own.
	markers := "(?" + strings.Repeat(", ?", len(fields)-1) + ")"
	statement := strings.Replace(line.Statement, "?", markers, 1)
	return session.Query(statement, append(fields, line.Id)...).Exec()
}

func answer(session *gocql.Session, line line) (said any, err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("panic: %v", why)
		}
	}()
	switch line.Op {
	case "hello":
		return "gocql 2.1.2", nil
	case "write":
		return nil, write(session, line)
	}
	iter := session.Query(line.Statement, line.Id).Iter()
	if len(iter.Columns()) == 0 {
		return nil, iter.Close()
	}
	info := iter.Columns()[0].TypeInfo
	value := reflect.New(goType(info)).Elem()
	places := []any{value.Addr().Interface()}
	if tuple, ok := info.(gocql.TupleTypeInfo); ok {
		// gocql wants a place for each field of a tuple that is a column.
		places = nil
		for i := range tuple.Elems {
			places = append(places, target(value).Field(i).Addr().Interface())
		}
	}
	found := iter.Scan(places...)
	if err := iter.Close(); err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("there is no such row")
	}
	return neutral(value, info), nil
}

func main() {
	version, _ := strconv.Atoi(os.Args[2])
	cluster := gocql.NewCluster(os.Args[1])
	cluster.ProtoVersion = version
	cluster.Consistency = gocql.One
	cluster.Timeout = 10 * time.Second
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	session, err := cluster.CreateSession()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		bytes, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var line line
		err = json.Unmarshal(bytes, &line)
		var said any
		if err == nil {
			said, err = answer(session, line)
		}
		if err != nil {
			output.Encode(map[string]any{"error": err.Error()})
		} else {
			output.Encode(map[string]any{"ok": said})
		}
	}
}

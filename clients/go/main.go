// Runs a script on a cluster with gocql: one JSON line for each step, what came of it.
//
// Usage: run CONTACT_POINT:PORT PROTOCOL_VERSION SCRIPT. See clients/README.md for what steps there are.
package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"reflect"
	"sort"
	"strconv"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"gopkg.in/inf.v0"
)

type step struct {
	Run      string
	Other    string
	Prepared string
	Values   []map[string]any
	Fill     string
	Count    int
	Pages    string
	Size     int
	Batch    []string
	Kind     string
	Copy     string
	Into     string
	Nodes    int
	Tables   string
	Expect   struct{ Tables []string }
}

type runner struct {
	address string
	version int
	session *gocql.Session
	other   *gocql.Session
}

func main() {
	version, err := strconv.Atoi(os.Args[2])
	must(err)
	text, err := os.ReadFile(os.Args[3])
	must(err)
	var steps []step
	must(json.Unmarshal(text, &steps))
	runner := &runner{address: os.Args[1], version: version}
	runner.session = runner.connect()
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, step := range steps {
		outcome, err := runner.do(step)
		if err != nil {
			outcome = map[string]any{"error": code(err)}
		}
		must(out.Encode(outcome))
	}
	runner.session.Close()
	if runner.other != nil {
		runner.other.Close()
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (r *runner) connect() *gocql.Session {
	host, port, err := net.SplitHostPort(r.address)
	must(err)
	cluster := gocql.NewCluster(host)
	cluster.Port, err = strconv.Atoi(port)
	must(err)
	cluster.ProtoVersion = r.version
	cluster.Consistency = gocql.One
	cluster.Timeout = 30 * time.Second
	cluster.ConnectTimeout = 30 * time.Second
	session, err := cluster.CreateSession()
	must(err)
	return session
}

func code(err error) string {
	var server gocql.RequestError
	if !errors.As(err, &server) {
		must(err)
	}
	return fmt.Sprintf("%04x", server.Code())
}

func (r *runner) do(s step) (map[string]any, error) {
	switch {
	case s.Run != "":
		// gocql prepares what may have values; this is how it is kept from it.
		return rows(r.session.Query(s.Run).Iter())
	case s.Other != "":
		if r.other == nil {
			r.other = r.connect()
		}
		return rows(r.other.Query(s.Other).Iter())
	case s.Prepared != "":
		values := make([]any, len(s.Values))
		for i, value := range s.Values {
			for kind, given := range value {
				if kind == "int" {
					given = int(given.(float64))
				}
				values[i] = given
			}
		}
		return rows(r.session.Query(s.Prepared, values...).Iter())
	case s.Fill != "":
		for key := 0; key < s.Count; key++ {
			if err := r.session.Query(s.Fill, key, fmt.Sprintf("v%d", key)).Exec(); err != nil {
				return nil, err
			}
		}
		return none(), nil
	case s.Pages != "":
		return r.pages(s)
	case len(s.Batch) > 0:
		kind := gocql.UnloggedBatch
		if s.Kind == "logged" {
			kind = gocql.LoggedBatch
		}
		batch := r.session.Batch(kind)
		for _, text := range s.Batch {
			batch.Query(text)
		}
		return none(), batch.Exec()
	case s.Copy != "":
		return r.copy(s)
	case s.Nodes > 0:
		count := func() int { return len(r.session.GetHosts()) }
		for try := 0; try < 150 && count() != s.Nodes; try++ {
			time.Sleep(100 * time.Millisecond)
		}
		return map[string]any{"nodes": count()}, nil
	default:
		return r.tables(s), nil
	}
}

func none() map[string]any {
	return map[string]any{"rows": []any{}}
}

func (r *runner) pages(s step) (map[string]any, error) {
	seen := map[any]bool{}
	pages := 0
	var state []byte
	for {
		iter := r.session.Query(s.Pages).PageSize(s.Size).PageState(state).Iter()
		state = iter.PageState()
		pages++
		for row := map[string]any{}; iter.MapScan(row); row = map[string]any{} {
			for _, value := range row {
				seen[value] = true
			}
		}
		if err := iter.Close(); err != nil {
			return nil, err
		}
		if len(state) == 0 {
			return map[string]any{"pages": pages, "values": len(seen)}, nil
		}
	}
}

func (r *runner) copy(s step) (map[string]any, error) {
	iter := r.session.Query(s.Copy).Iter()
	for {
		data, err := iter.RowData()
		if err != nil {
			return nil, err
		}
		if !iter.Scan(data.Values...) {
			return none(), iter.Close()
		}
		// The elements of tuples are values of their own, in both directions.
		values := make([]any, len(data.Values))
		for i, value := range data.Values {
			values[i] = reflect.ValueOf(value).Elem().Interface()
		}
		if err := r.session.Query(s.Into, values...).Exec(); err != nil {
			return nil, err
		}
	}
}

func (r *runner) tables(s step) map[string]any {
	known := func() []string {
		names := []string{}
		if keyspace, err := r.session.KeyspaceMetadata(s.Tables); err == nil {
			for name := range keyspace.Tables {
				names = append(names, name)
			}
		}
		sort.Strings(names)
		return names
	}
	for try := 0; try < 150 && !reflect.DeepEqual(known(), s.Expect.Tables); try++ {
		time.Sleep(100 * time.Millisecond)
	}
	return map[string]any{"tables": known()}
}

func rows(iter *gocql.Iter) (map[string]any, error) {
	all := []any{}
	for iter.NumRows() > 0 {
		data, err := iter.RowData()
		if err != nil {
			return nil, err
		}
		// Pointers to pointers can tell null from zero.
		cells := make([]any, len(data.Values))
		for i, value := range data.Values {
			cells[i] = reflect.New(reflect.TypeOf(value)).Interface()
		}
		if !iter.Scan(cells...) {
			break
		}
		values := make([]any, len(cells))
		for i, cell := range cells {
			values[i] = reflect.ValueOf(cell).Elem().Interface()
		}
		all = append(all, row(iter.Columns(), values))
	}
	return map[string]any{"rows": all}, iter.Close()
}

func row(columns []gocql.ColumnInfo, cells []any) []any {
	shownRow := []any{}
	for _, column := range columns {
		tuple, is := column.TypeInfo.(gocql.TupleTypeInfo)
		if !is {
			shownRow, cells = append(shownRow, shown(column.TypeInfo, cells[0])), cells[1:]
			continue
		}
		elements := []any{}
		null := true
		for i, element := range tuple.Elems {
			value := shown(element, cells[i])
			null = null && value == nil
			elements = append(elements, value)
		}
		cells = cells[len(elements):]
		if null {
			shownRow = append(shownRow, nil)
		} else {
			shownRow = append(shownRow, elements)
		}
	}
	return shownRow
}

// shown is a cell as all runners show it.
func shown(info gocql.TypeInfo, cell any) any {
	value := reflect.ValueOf(cell)
	for value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return nil
		}
		if scalar := special(info, value.Interface()); scalar != nil {
			return scalar
		}
		value = value.Elem()
	}
	if scalar := special(info, value.Interface()); scalar != nil {
		return scalar
	}
	switch value.Kind() {
	case reflect.Slice:
		if value.IsNil() {
			return nil
		}
		var element gocql.TypeInfo
		if collection, is := info.(gocql.CollectionType); is {
			element = collection.Elem
		}
		items := []any{}
		for i := 0; i < value.Len(); i++ {
			items = append(items, shown(element, value.Index(i).Interface()))
		}
		if info != nil && info.Type() == gocql.TypeSet {
			sortJSON(items)
		}
		return items
	case reflect.Map:
		if value.IsNil() {
			return nil
		}
		var key, element gocql.TypeInfo
		if collection, is := info.(gocql.CollectionType); is {
			key, element = collection.Key, collection.Elem
		}
		if udt, is := info.(gocql.UDTTypeInfo); is {
			fields := []any{}
			for _, field := range udt.Elements {
				// A field that the type was given later is missing.
				if item := value.MapIndex(reflect.ValueOf(field.Name)); item.IsValid() {
					fields = append(fields, shown(field.Type, item.Interface()))
				} else {
					fields = append(fields, nil)
				}
			}
			return fields
		}
		pairs := []any{}
		for _, k := range value.MapKeys() {
			pairs = append(pairs, []any{shown(key, k.Interface()), shown(element, value.MapIndex(k).Interface())})
		}
		sortJSON(pairs)
		return pairs
	}
	return value.Interface()
}

// special is what isn't shown as its Go type is; nil for all else.
func special(info gocql.TypeInfo, value any) any {
	switch value := value.(type) {
	case *inf.Dec:
		return value.String()
	case *big.Int:
		return value.String()
	case gocql.UUID:
		return value.String()
	case gocql.Duration:
		sign := ""
		if value.Months < 0 || value.Days < 0 || value.Nanoseconds < 0 {
			sign, value.Months, value.Days, value.Nanoseconds = "-", -value.Months, -value.Days, -value.Nanoseconds
		}
		return fmt.Sprintf("%s%dmo%dd%dns", sign, value.Months, value.Days, value.Nanoseconds)
	case net.IP:
		if value == nil {
			return nil
		}
		return value.String()
	case []byte:
		if value == nil {
			return nil
		}
		return "0x" + hex.EncodeToString(value)
	case time.Duration:
		return value.Nanoseconds()
	case time.Time:
		if info != nil && info.Type() == gocql.TypeDate {
			return value.UTC().Format("2006-01-02")
		}
		return value.UnixMilli()
	}
	return nil
}

func sortJSON(items []any) {
	sort.Slice(items, func(i, j int) bool {
		a, _ := json.Marshal(items[i])
		b, _ := json.Marshal(items[j])
		return string(a) < string(b)
	})
}

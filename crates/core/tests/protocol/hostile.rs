//! Bytes that nobody should send: an error with its reason, or a message, never a panic; and never more memory than
//! the bytes account for.

use helenus_core::protocol::request::Request;
use helenus_core::protocol::response::{Message, Response, ResultMessage};
use helenus_core::protocol::wire::Reader;
use helenus_core::protocol::{ColumnType, DecodeError, Flags, Header, Opcode, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::any;

/// Reads everything that can be read of a response.
fn read_response(version: Version, flags: Flags, opcode: u8, body: &[u8]) -> Result<(), DecodeError> {
    let header = Header { version: version.byte(), response: true, flags, stream: 0, opcode, length: 0 };
    let response = Response::decode(version, &header, body)?;
    if let Message::Result(ResultMessage::Rows(rows)) = &response.message {
        for cell in rows.cells() {
            cell?;
        }
    }
    let again = format!("{response:?}");
    assert!(again.len() < 10_000 + 200 * body.len(), "{} bytes were read as {}", body.len(), again.len());
    Ok(())
}

/// Reads everything that can be read of a request.
fn read_request(version: Version, opcode: u8, body: &[u8]) -> Result<(), DecodeError> {
    let request = Request::decode(version, opcode, body)?;
    if let Request::Query(query) = &request {
        // Values that came with a request are all well-formed.
        assert_eq!(query.parameters.values.iter().count(), usize::from(query.parameters.values.count()));
    }
    let again = format!("{request:?}");
    assert!(again.len() < 10_000 + 200 * body.len(), "{} bytes were read as {}", body.len(), again.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes(version in any::version(), flags: u8, opcode in 0..0x12_u8, body in vec(any::<u8>(), 0..200)) {
        let _ = read_response(version, Flags(flags), opcode, &body);
        let _ = read_request(version, opcode, &body);
    }

    /// Small numbers make small lengths and known kinds, which get deeper than any bytes do.
    #[test]
    fn small_bytes(version in any::version(), opcode in 0..0x12_u8, body in vec(0..6_u8, 0..200)) {
        let _ = read_response(version, Flags::NONE, opcode, &body);
        let _ = read_response(version, Flags::WARNING | Flags::CUSTOM_PAYLOAD, opcode, &body);
        let _ = read_request(version, opcode, &body);
    }

    #[test]
    fn a_request_cut_short_is_noticed((version, request) in any::request(), cut: Index) {
        let mut body = Vec::new();
        request.put(version, &mut body).unwrap();
        if !body.is_empty() {
            let cut = cut.index(body.len());
            let error = read_request(version, request.opcode().byte(), &body[..cut]);
            prop_assert!(matches!(error, Err(DecodeError::Short { .. })), "{error:?} at {cut} of {}", body.len());
        }
    }

    #[test]
    fn a_response_cut_short_is_noticed((version, response) in any::response(), cut: Index) {
        let mut body = Vec::new();
        response.put(version, &mut body).unwrap();
        if !body.is_empty() {
            let cut = cut.index(body.len());
            let (flags, opcode) = (response.prefix.flags(), response.message.opcode().byte());
            let error = read_response(version, flags, opcode, &body[..cut]);
            prop_assert!(matches!(error, Err(DecodeError::Short { .. })), "{error:?} at {cut} of {}", body.len());
        }
    }

    #[test]
    fn flipped_bits(
        (version, request) in any::request(),
        (response_version, response) in any::response(),
        flips in vec((any::<Index>(), 0..8_u8), 1..4),
    ) {
        let flipped = |mut body: Vec<u8>| {
            for (at, bit) in &flips {
                if !body.is_empty() {
                    let at = at.index(body.len());
                    body[at] ^= 1 << bit;
                }
            }
            body
        };
        let mut body = Vec::new();
        request.put(version, &mut body).unwrap();
        let _ = read_request(version, request.opcode().byte(), &flipped(body));
        let mut body = Vec::new();
        response.put(response_version, &mut body).unwrap();
        let opcode = response.message.opcode().byte();
        let _ = read_response(response_version, response.prefix.flags(), opcode, &flipped(body));
    }

    #[test]
    fn any_class_name(words in vec(select(&[
        "ListType", "MapType", "TupleType", "UserType", "VectorType", "FrozenType", "Int32Type", "Odd", "ks",
        "org.apache.cassandra.db.marshal.", "6162", "6", "(", "(", ")", ")", ",", " ", ":", "\u{e9}", "70000",
    ][..]), 0..24)) {
        let class = words.concat();
        let mut body = vec![0, 0, 0, class.len() as u8];
        body.extend_from_slice(class.as_bytes());
        if let Ok(text) = Reader::new(&body).option() {
            prop_assert!(text.to_string().len() < 100 + 4 * class.len());
        }
    }
}

/// The largest count in each place that has one, with next to nothing behind it.
#[test]
fn counts_are_compared_with_what_is_there() {
    const MOST: [u8; 4] = i32::MAX.to_be_bytes();
    let result =
        |parts: &[&[u8]]| read_response(Version::V5, Flags::NONE, Opcode::Result.byte(), &parts.concat());
    let error = |code: i32, parts: &[&[u8]]| {
        let body = [&code.to_be_bytes()[..], &[0, 0], &parts.concat()].concat();
        read_response(Version::V5, Flags::NONE, Opcode::Error.byte(), &body)
    };
    let rows = [0, 0, 0, 2];
    let no_metadata = [0, 0, 0, 4];
    let (zero, one, many) = ([0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0xFF, 0xFF]);

    let short = |needed, available| {
        move |error: &DecodeError| match *error {
            DecodeError::Short { needed: n, available: a, .. } => (n, a) == (needed, available),
            _ => false,
        }
    };
    let length = |expected| {
        move |error: &DecodeError| match *error {
            DecodeError::Length { length, .. } => length == expected,
            _ => false,
        }
    };
    let check = |outcome: Result<(), DecodeError>, expected: &dyn Fn(&DecodeError) -> bool| {
        assert!(outcome.as_ref().is_err_and(expected), "{outcome:?}");
    };

    check(result(&[&rows, &no_metadata, &MOST, &one]), &length(i32::MAX.into()));
    check(result(&[&rows, &no_metadata, &[0xFF; 4], &one]), &length(-1));
    check(result(&[&rows, &no_metadata, &many, &MOST, &[0; 9]]), &short(65_535 * 4 * i32::MAX as usize, 9));
    check(result(&[&rows, &no_metadata, &zero, &one]), &length(1));
    check(result(&[&rows, &zero, &many, &[0; 9]]), &short(65_535 * 8, 9));
    check(result(&[&rows, &one, &many, &[0; 9]]), &short(65_535 * 4, 5));
    let prepared = [0, 0, 0, 4, 0, 0, 0, 0];
    check(result(&[&prepared, &zero, &zero, &MOST, &[0; 3]]), &short(i32::MAX as usize * 2, 3));
    check(error(0x1300, &[&[0, 1], &one, &one, &MOST, &[0; 3]]), &short(i32::MAX as usize * 7, 3));
    check(error(0x1400, &[&[0, 0, 0, 0], &[0xFF, 0xFF, 1]]), &short(131_070, 1));

    let supported = read_response(Version::V4, Flags::NONE, Opcode::Supported.byte(), &[0xFF, 0xFF, 0]);
    check(supported, &short(65_535 * 4, 1));
    let payload = Flags::CUSTOM_PAYLOAD;
    let payload = read_response(Version::V4, payload, Opcode::Ready.byte(), &[0xFF, 0xFF, 0]);
    check(payload, &short(65_535 * 6, 1));
    let batch = read_request(Version::V4, Opcode::Batch.byte(), &[0, 0xFF, 0xFF, 0, 0]);
    check(batch, &short(65_535 * 5, 2));
    let query = read_request(Version::V4, Opcode::Query.byte(), &[0, 0, 0, 0, 0, 1, 0x41, 0xFF, 0xFF, 0]);
    check(query, &short(65_535 * 6, 1));
    let text = read_request(Version::V4, Opcode::Query.byte(), &[0x7F, 0xFF, 0xFF, 0xFF, b'x']);
    check(text, &short(i32::MAX as usize, 1));
}

#[test]
fn what_is_wrong_is_said() {
    let request =
        |opcode: Opcode, body: &[u8]| Request::decode(Version::V4, opcode.byte(), body).unwrap_err();
    let unknown = |what, code| DecodeError::Unknown { what, code };
    assert_eq!(request(Opcode::Ready, &[]), unknown("opcode of a request", 2));
    assert_eq!(Request::decode(Version::V4, 0x77, &[]), Err(unknown("opcode of a request", 0x77)));
    assert_eq!(request(Opcode::Query, &[0, 0, 0, 0, 0, 11, 0]), unknown("consistency", 11));
    assert_eq!(request(Opcode::Query, &[0, 0, 0, 1, 0xFF]), DecodeError::Utf8 { what: "text of a QUERY" });
    assert_eq!(
        request(Opcode::Query, &[0xFF; 4]),
        DecodeError::Length { what: "text of a QUERY", length: -1 }
    );
    let minus_three = [0, 0, 0, 0, 0, 1, 0x01, 0, 1, 0xFF, 0xFF, 0xFF, 0xFD];
    assert_eq!(request(Opcode::Query, &minus_three), DecodeError::Length { what: "value", length: -3 });
    assert_eq!(request(Opcode::Batch, &[3]), unknown("kind of a BATCH", 3));
    assert_eq!(request(Opcode::Batch, &[0, 0, 1, 2, 0, 0, 0, 0, 0, 0]), unknown("kind of a statement", 2));
    let named = DecodeError::Unsupported { what: "a BATCH with names of values" };
    assert_eq!(request(Opcode::Batch, &[0, 0, 0, 0, 1, 0x40]), named);

    let response = |opcode: Opcode, body: &[u8]| {
        read_response(Version::V4, Flags::NONE, opcode.byte(), body).unwrap_err()
    };
    assert_eq!(response(Opcode::Query, &[]), unknown("opcode of a response", 7));
    assert_eq!(response(Opcode::Result, &[0, 0, 0, 6]), unknown("kind of a RESULT", 6));
    let event = |size: u8, port: u8| {
        let head = [&[0, 13][..], b"STATUS_CHANGE", &[0, 2], b"UP", &[size]].concat();
        response(Opcode::Event, &[head, vec![1, 2, 3, 4], vec![0, port, 0, 0]].concat())
    };
    assert_eq!(event(5, 0), DecodeError::Length { what: "address of a node", length: 5 });
    assert_eq!(event(4, 1), DecodeError::Length { what: "address of a node", length: 65_536 });
    let short = response(Opcode::Authenticate, &[0, 9, b'x']).to_string();
    assert_eq!(
        short,
        "the message is cut short: class of the authenticator takes at least 9 bytes, 1 are left"
    );
}

/// v3 reads any negative length as null (section 3 of its specification), which would delete what an unset value keeps.
#[test]
fn unset_in_v3_is_an_error() {
    let body = [0, 0, 0, 0, 0, 1, 0x01, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE];
    let query = |version| Request::decode(version, Opcode::Query.byte(), &body);
    assert!(matches!(query(Version::V3), Err(DecodeError::Length { length: -2, .. })));
    assert!(query(Version::V4).is_ok());
}

#[test]
fn a_type_nested_without_end_is_refused() {
    let lists = [0, 0x20].repeat(100_000);
    assert!(matches!(Reader::new(&lists).option(), Err(DecodeError::TooDeep { .. })));
    let class = "ListType(".repeat(7_000);
    let mut custom = vec![0, 0];
    custom.extend_from_slice(&(class.len() as u16).to_be_bytes());
    custom.extend_from_slice(class.as_bytes());
    assert_eq!(Reader::new(&custom).option(), Ok(ColumnType::Custom(class.into())));
}

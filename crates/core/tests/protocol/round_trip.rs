//! What one side writes, the other reads: every message in every version.

use helenus_core::protocol::request::{self, Request};
use helenus_core::protocol::response::{self, Message, Response, ResultMessage};
use helenus_core::protocol::wire::{self, Reader};
use helenus_core::protocol::{Consistency, Flags, Header, Opcode, Version, envelope};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::any;

proptest! {
    #[test]
    fn requests((version, request) in any::request(), more in vec(any::<u8>(), 0..9)) {
        let mut body = Vec::new();
        request.put(version, &mut body).unwrap();
        let opcode = request.opcode().byte();
        prop_assert_eq!(&Request::decode(version, opcode, &body).unwrap(), &request);
        // Section 1: what follows a body that is understood is ignored.
        body.extend(more);
        prop_assert_eq!(Request::decode(version, opcode, &body).unwrap(), request);
    }

    #[test]
    fn responses((version, response) in any::response(), more in vec(any::<u8>(), 0..9)) {
        let mut out = Vec::new();
        let opcode = response.message.opcode();
        let start = envelope::begin(&mut out, version, response.prefix.flags(), opcode);
        response.put(version, &mut out).unwrap();
        envelope::finish(&mut out, start).unwrap();

        let header = Header::parse(out.first_chunk().unwrap());
        prop_assert_eq!(header.length as usize, out.len() - Header::LEN);
        prop_assert_eq!(header.opcode, opcode.byte());
        let body = &out[Header::LEN..];
        prop_assert_eq!(&Response::decode(version, &header, body).unwrap(), &response);
        let void = response.message == Message::Result(ResultMessage::Void);
        prop_assert_eq!(response::is_void(&header, body), void && header.flags == Flags::NONE);

        out.extend(more);
        let read = Response::decode(version, &header, &out[Header::LEN..]).unwrap();
        prop_assert_eq!(without_excess(read), response);
    }

    #[test]
    fn custom_payloads_of_requests(
        version in any::version(),
        payload in vec((".{0,4}", proptest::option::of(vec(any::<u8>(), 0..4))), 0..4),
    ) {
        let payload: Vec<_> = payload.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        let mut out = Vec::new();
        let put = request::put_payload(&mut out, version, &payload);
        prop_assert_eq!(put.is_ok(), version >= Version::V4);
        out.extend_from_slice(b"body");
        let flags = if put.is_ok() { Flags::CUSTOM_PAYLOAD } else { Flags::NONE };
        let expected = if put.is_ok() { payload } else { Vec::new() };
        prop_assert_eq!(request::split_payload(version, flags, &out), Ok((expected, &b"body"[..])));
    }

    #[test]
    fn headers(bytes in any::<[u8; 9]>(), stream in any::<i16>()) {
        let mut header = Header::parse(&bytes);
        let mut out = vec![7];
        header.put(&mut out);
        prop_assert_eq!(&out[1..], &bytes);
        header.stream = stream;
        envelope::set_stream(&mut out[1..], stream);
        prop_assert_eq!(Header::parse(out[1..].try_into().unwrap()), header);
    }

    #[test]
    fn types(version in any::version(), column_type in any::column_type()) {
        let mut out = Vec::new();
        wire::put_option(&mut out, version, &column_type).unwrap();
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.option(), Ok(column_type));
        prop_assert!(reader.rest().is_empty());
    }
}

/// Rows lend all that is left of the body: cut that back to their own cells.
fn without_excess(mut response: Response<'_>) -> Response<'_> {
    if let Message::Result(ResultMessage::Rows(rows)) = &mut response.message {
        let length = rows.cells().map(|cell| 4 + cell.unwrap().map_or(0, <[u8]>::len)).sum();
        rows.content = &rows.content[..length];
    }
    response
}

#[test]
fn numbers_and_names() {
    for byte in 0..=u8::MAX {
        assert_eq!(Opcode::from_byte(byte).map_or(byte, Opcode::byte), byte);
        assert_eq!(Version::from_byte(byte).map_or(byte, Version::byte), byte);
    }
    assert_eq!(Opcode::ALL.map(Opcode::byte), [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!((0..=u8::MAX).filter_map(Opcode::from_byte).count(), Opcode::ALL.len());
    assert_eq!(Version::ALL.map(Version::lower), [None, Some(Version::V3), Some(Version::V4)]);
    for (code, level) in Consistency::ALL.into_iter().enumerate() {
        assert_eq!(Consistency::from_code(code as u16), Some(level));
        assert_eq!(level.code(), code as u16);
        assert_eq!(level.to_string().to_lowercase().parse(), Ok(level));
    }
    assert_eq!(Consistency::from_code(11), None);
    assert!("MOST".parse::<Consistency>().unwrap_err().to_string().contains("LOCAL_QUORUM"));
}

//! Values of types that std has: numbers, booleans, addresses, text and bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::decode::{fixed, not_null, wrong_length};
use super::{DecodeValue, DecodeValueError, EncodeError, EncodeValue, TypeMismatch, ValueWriter};
use crate::protocol::ColumnType;

/// Both traits for a type whose `[value]` is an array of bytes. The first CQL type is the natural one.
macro_rules! fixed_length {
    ($($type:ty: $natural:ident $(| $other:ident)*, $to:expr, $from:expr;)+) => {$(
        impl EncodeValue for $type {
            #[inline]
            fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                match column_type {
                    ColumnType::$natural $(| ColumnType::$other)* => self.encode_untyped(out),
                    _ => Err(TypeMismatch::bind::<Self>(column_type).into()),
                }
            }

            #[inline]
            fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                let to_bytes: fn(Self) -> _ = $to;
                out.fixed(to_bytes(*self));
                Ok(())
            }
        }

        impl<'a> DecodeValue<'a> for $type {
            #[inline]
            fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
                match column_type {
                    ColumnType::$natural $(| ColumnType::$other)* => Ok(()),
                    _ => Err(TypeMismatch::read::<Self>(column_type)),
                }
            }

            #[inline]
            fn decode(_: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
                let from_bytes: fn(_) -> _ = $from;
                from_bytes(fixed(bytes)?)
            }
        }
    )+};
}
pub(super) use fixed_length;

fixed_length! {
    i8: TinyInt, Self::to_be_bytes, |bytes| Ok(Self::from_be_bytes(bytes));
    i16: SmallInt, Self::to_be_bytes, |bytes| Ok(Self::from_be_bytes(bytes));
    i32: Int, Self::to_be_bytes, |bytes| Ok(Self::from_be_bytes(bytes));
    i64: BigInt | Counter, Self::to_be_bytes, |bytes| Ok(Self::from_be_bytes(bytes));
    f32: Float, Self::to_be_bytes, |bytes| Ok(Self::from_be_bytes(bytes));
    f64: Double, Self::to_be_bytes, |bytes| Ok(Self::from_be_bytes(bytes));
    // Any byte but 0 is true, as the server reads it.
    bool: Boolean, |value| [u8::from(value)], |bytes: [u8; 1]| Ok(bytes != [0]);
    Ipv4Addr: Inet, |value| value.octets(), |bytes: [u8; 4]| Ok(Self::from(bytes));
    Ipv6Addr: Inet, |value| value.octets(), |bytes: [u8; 16]| Ok(Self::from(bytes));
}

/// 16 bytes stay an IPv6 address, IPv4-mapped ones too: what is read is what is stored.
impl<'a> DecodeValue<'a> for IpAddr {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        match column_type {
            ColumnType::Inet => Ok(()),
            _ => Err(TypeMismatch::read::<Self>(column_type)),
        }
    }

    fn decode(_: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let bytes = not_null(bytes)?;
        match bytes.len() {
            4 => fixed::<4>(Some(bytes)).map(Self::from),
            16 => fixed::<16>(Some(bytes)).map(Self::from),
            0 => Err(DecodeValueError::Empty),
            actual => Err(DecodeValueError::Length { expected: if actual < 10 { 4 } else { 16 }, actual }),
        }
    }
}

impl EncodeValue for IpAddr {
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match column_type {
            ColumnType::Inet => self.encode_untyped(out),
            _ => Err(TypeMismatch::bind::<Self>(column_type).into()),
        }
    }

    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match self {
            Self::V4(address) => out.fixed(address.octets()),
            Self::V6(address) => out.fixed(address.octets()),
        }
        Ok(())
    }
}

#[inline]
fn encode_text<T: ?Sized>(
    text: &str,
    column_type: &ColumnType,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    match column_type {
        ColumnType::Text => out.bytes(text.as_bytes()),
        ColumnType::Ascii => match text.bytes().position(|byte| !byte.is_ascii()) {
            None => out.bytes(text.as_bytes()),
            Some(at) => Err(EncodeError::NotAscii { at }),
        },
        _ => Err(TypeMismatch::bind::<T>(column_type).into()),
    }
}

#[inline]
fn encode_blob<T: ?Sized>(
    bytes: &[u8],
    column_type: &ColumnType,
    out: &mut ValueWriter<'_>,
) -> Result<(), EncodeError> {
    match column_type {
        ColumnType::Blob | ColumnType::Custom(_) => out.bytes(bytes),
        _ => Err(TypeMismatch::bind::<T>(column_type).into()),
    }
}

macro_rules! encode_bytes {
    ($($encode:ident: $(($($generics:tt)*) $type:ty),+;)+) => {$($(
        impl<$($generics)*> EncodeValue for $type {
            #[inline]
            fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                $encode::<Self>(self, column_type, out)
            }

            #[inline]
            fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
                out.bytes(self.as_ref())
            }
        }
    )+)+};
}

encode_bytes! {
    encode_text: () str, () String;
    encode_blob: () [u8], () Vec<u8>, (const N: usize) [u8; N];
}

#[inline]
fn check_text<T>(column_type: &ColumnType) -> Result<(), TypeMismatch> {
    match column_type {
        ColumnType::Text | ColumnType::Ascii => Ok(()),
        _ => Err(TypeMismatch::read::<T>(column_type)),
    }
}

/// Text reads as bytes too: the server stores some that isn't UTF-8 (overlong forms, surrogates).
#[inline]
fn check_bytes<T>(column_type: &ColumnType) -> Result<(), TypeMismatch> {
    match column_type {
        ColumnType::Blob | ColumnType::Custom(_) | ColumnType::Text | ColumnType::Ascii => Ok(()),
        _ => Err(TypeMismatch::read::<T>(column_type)),
    }
}

macro_rules! decode_bytes {
    ($($check:ident: $(($($generics:tt)*) $type:ty, $decode:expr);+;)+) => {$($(
        impl<'a, $($generics)*> DecodeValue<'a> for $type {
            #[inline]
            fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
                $check::<Self>(column_type)
            }

            #[inline]
            fn decode(_: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
                let decode: fn(&'a [u8]) -> Result<Self, DecodeValueError> = $decode;
                decode(not_null(bytes)?)
            }
        }
    )+)+};
}

decode_bytes! {
    check_text:
        () &'a str, text;
        () String, |bytes| text(bytes).map(str::to_owned);
    check_bytes:
        () &'a [u8], Ok;
        () Vec<u8>, |bytes| Ok(bytes.to_vec());
        (const N: usize) [u8; N], |bytes| bytes.try_into().map_err(|_| wrong_length(N, bytes.len()));
}

#[inline]
fn text(bytes: &[u8]) -> Result<&str, DecodeValueError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => Err(DecodeValueError::Utf8 { valid_bytes: error.valid_up_to() }),
    }
}

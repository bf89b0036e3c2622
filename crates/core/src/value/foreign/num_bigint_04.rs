use num_bigint_04::BigInt;

use super::by_way_of;
use crate::value::VarInt;

by_way_of! {
    BigInt: VarInt, |number| Ok(number.into()), |number| Ok((&number).into());
}

impl From<&BigInt> for VarInt {
    fn from(number: &BigInt) -> Self {
        Self::from_be_bytes(&number.to_signed_bytes_be())
    }
}

impl From<&VarInt> for BigInt {
    fn from(number: &VarInt) -> Self {
        Self::from_signed_bytes_be(number.as_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::is_as;
    use super::*;
    use crate::protocol::ColumnType;

    #[test]
    fn integers_are_ours() {
        let long = "-340282366920938463463374607431768211457";
        for text in ["0", "1", "-1", "127", "128", "-128", "-129", long] {
            is_as(&text.parse::<BigInt>().unwrap(), &text.parse::<VarInt>().unwrap(), &ColumnType::VarInt);
        }
    }
}

use bigdecimal_04::BigDecimal;
use bigdecimal_04::num_bigint::BigInt;

use super::by_way_of;
use crate::value::{Decimal, EncodeError, VarInt};

by_way_of! {
    /// Its scale has to be within 32 bits.
    BigDecimal: Decimal, |number| {
        let (unscaled, scale) = number.as_bigint_and_exponent();
        let scale = scale.try_into().map_err(|_| EncodeError::Invalid("its scale has more than 32 bits"))?;
        Ok(Decimal::new(VarInt::from_be_bytes(&unscaled.to_signed_bytes_be()), scale))
    }, |number| Ok((&number).into());
}

impl From<&Decimal> for BigDecimal {
    fn from(number: &Decimal) -> Self {
        Self::new(BigInt::from_signed_bytes_be(number.unscaled.as_be_bytes()), number.scale.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bytes, is_as};
    use super::*;
    use crate::protocol::ColumnType;

    #[test]
    fn decimals_are_ours() {
        for text in ["0", "-12.50", "0.005", "1e9", "123456789012345678901234567890.5", "5E-2147483647"] {
            is_as(
                &text.parse::<BigDecimal>().unwrap(),
                &text.parse::<Decimal>().unwrap(),
                &ColumnType::Decimal,
            );
        }
        let far = BigDecimal::new(1.into(), i64::from(i32::MAX) + 1);
        assert!(matches!(bytes(&far, &ColumnType::Decimal), Err(EncodeError::Invalid(_))));
    }
}

use super::by_way_of;
use crate::value::{TimeUuid, Uuid};

by_way_of! {
    /// Of version 1 also as `timeuuid`.
    uuid_1::Uuid: Uuid, |uuid| Ok((*uuid).into()), |uuid| Ok(uuid.into());
}

impl From<uuid_1::Uuid> for Uuid {
    fn from(uuid: uuid_1::Uuid) -> Self {
        Self::from_bytes(*uuid.as_bytes())
    }
}

impl From<Uuid> for uuid_1::Uuid {
    fn from(uuid: Uuid) -> Self {
        Self::from_bytes(*uuid.as_bytes())
    }
}

impl From<TimeUuid> for uuid_1::Uuid {
    fn from(uuid: TimeUuid) -> Self {
        uuid.uuid().into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bytes, is_as};
    use super::*;
    use crate::protocol::ColumnType;

    #[test]
    fn uuids_are_ours() {
        let text = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let (theirs, ours): (uuid_1::Uuid, Uuid) = (text.parse().unwrap(), text.parse().unwrap());
        is_as(&theirs, &ours, &ColumnType::Uuid);
        is_as(&theirs, &ours, &ColumnType::TimeUuid);
        assert_eq!(uuid_1::Uuid::from(TimeUuid::from_uuid(ours).unwrap()), theirs);
        assert!(bytes(&uuid_1::Uuid::nil(), &ColumnType::TimeUuid).is_err());
        let error = bytes(&theirs, &ColumnType::Int).unwrap_err().to_string();
        assert_eq!(error, "the marker's type is int; Uuid can't be bound to it: use i32");
    }
}

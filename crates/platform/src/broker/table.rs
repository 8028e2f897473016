//! Values of headers and of queues' arguments.

use lapin::types::{AMQPValue, FieldTable};

pub(super) fn insert_text(table: &mut FieldTable, key: &str, value: &str) {
    table.insert(key.into(), AMQPValue::LongString(value.into()));
}

pub(super) fn insert_number(table: &mut FieldTable, key: &str, value: i64) {
    table.insert(key.into(), AMQPValue::LongLongInt(value));
}

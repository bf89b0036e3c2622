//! Lines of `helenus codec`.

#[expect(dead_code, reason = "the command is compiled as it stands, though only its lines are read here")]
#[path = "../../../cli/src/codec/mod.rs"]
mod command;

use command::Task;

/// Each line is answered by one line, whatever it is.
pub(super) fn run(bytes: &[u8]) {
    let Some((which, line)) = bytes.split_first() else { return };
    let task =
        [Task::Decode, Task::Encode, Task::Token, Task::Frame, Task::Segments][usize::from(*which) % 5];
    let answer = task.answer(line);
    let object = answer.as_object().expect("an answer is an object");
    assert_eq!(object.len(), 1);
    assert!(object.contains_key("ok") != object.get("error").is_some_and(serde_json::Value::is_string));
    assert!(!answer.to_string().contains('\n'));
}

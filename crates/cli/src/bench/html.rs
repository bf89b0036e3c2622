pub(crate) fn page(_: &super::report::Report) -> String {
    String::new()
}

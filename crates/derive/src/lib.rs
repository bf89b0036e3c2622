//! Derives for the rows, values and user-defined types of `helenus`, which exports them: [`macro@DecodeRow`],
//! [`macro@EncodeValues`], [`macro@DecodeValue`] and [`macro@EncodeValue`].
//!
//! All four read the attribute `#[helenus(..)]`. On a struct:
//!
//! | attribute | meaning |
//! |---|---|
//! | `by_position` | fields are columns, or markers, in the order of declaration; tuple structs always are. Not for user-defined types |
//! | `crate = path` | where `helenus` is, if not at `::helenus` |
//!
//! On a field:
//!
//! | attribute | meaning |
//! |---|---|
//! | `rename = ".."` | the name of its column, spelled as the table has it (`CREATE TABLE` makes names without quotes lowercase) |
//! | `default` | a column that isn't there reads as `Default::default()`. Null is still null: use `Option`. Says nothing for writing |
//! | `skip` | no column: read as `Default::default()`, not written |
//! | `flatten` | a struct with the same derive, whose fields are columns of this row, or fields of this user-defined type |
//!
//! A struct may have one lifetime, that of the response, from which `&str` and `&[u8]` borrow.

mod decode;
mod encode;
mod input;

use proc_macro2::TokenStream;
use syn::{DeriveInput, Error, Result};

use input::Input;

/// Reads rows as this struct: each field from the column of its name.
///
/// Names and types are checked once per result; a row whose columns come in the order of the fields then costs what a tuple
/// does, and other orders allocate nothing either. Columns that no field wants are left. A field without column is an error
/// that names both, as is a type that doesn't fit. The crate's page lists the attributes.
///
/// ```
/// use helenus::DecodeRow;
///
/// #[derive(DecodeRow)]
/// struct User<'a> {
///     id: i64,
///     #[helenus(rename = "fullName")]
///     name: &'a str,
///     email: Option<&'a str>,
///     #[helenus(default)]
///     visits: i32,
/// }
///
/// # #[expect(dead_code)]
/// fn print(response: &helenus::Response) -> Result<(), helenus::Error> {
///     for user in response.rows::<User<'_>>()? {
///         let User { id, name, email, visits } = user?;
///         println!("{id} {name} {email:?} {visits}");
///     }
///     Ok(())
/// }
/// ```
///
/// `by_position` takes columns as they come, whatever their names, and wants as many as there are fields:
///
/// ```
/// #[derive(helenus::DecodeRow)]
/// struct Count(i64);
/// ```
#[proc_macro_derive(DecodeRow, attributes(helenus))]
pub fn derive_decode_row(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(input, decode::row)
}

/// Binds this struct to the markers of a statement: each field to the markers of its name.
///
/// A marker in `column = ?` has the column's name, `:name` its own, and the server makes up others, such as `[limit]`:
/// `rename` takes them. A field without marker and a marker without field are errors. In a statement that was not prepared the
/// server finds the fields by the same names; one too many is then no error. The crate's page lists the attributes.
///
/// ```no_run
/// #[derive(helenus::EncodeValues)]
/// struct User<'a> {
///     id: i64,
///     name: &'a str,
/// }
///
/// # fn insert(session: &helenus::Session) -> Result<(), helenus::Error> {
/// let insert = session.prepare("INSERT INTO ks.users (name, id) VALUES (?, ?)").wait()?;
/// session.execute(&insert, User { id: 7, name: "Ada" }).wait()?;
/// # Ok(()) }
/// ```
#[proc_macro_derive(EncodeValues, attributes(helenus))]
pub fn derive_encode_values(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(input, |input| Ok(encode::values(input)))
}

/// Reads values of a user-defined type as this struct, each field by its name; or, of a tuple struct with one field, what that
/// field reads.
///
/// Fields that only the type has are left. A value written before `ALTER TYPE .. ADD` ends early, and the fields that it lacks
/// read as null, so such fields are `Option`s. The crate's page lists the attributes.
///
/// ```
/// #[derive(helenus::DecodeValue, helenus::EncodeValue)]
/// struct Address<'a> {
///     street: &'a str,
///     zip: Option<i32>,
/// }
///
/// #[derive(helenus::DecodeValue, helenus::EncodeValue)]
/// struct UserId(i64);
///
/// #[derive(helenus::DecodeRow)]
/// struct User<'a> {
///     id: UserId,
///     address: Address<'a>,
/// }
/// ```
#[proc_macro_derive(DecodeValue, attributes(helenus))]
pub fn derive_decode_value(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(input, decode::value)
}

/// Binds this struct as a value of a user-defined type, each field by its name; or a tuple struct with one field as that field.
///
/// Fields that only the type has become null; one that the type doesn't have is an error. A statement that was not prepared
/// tells no types: there the fields go in the order of declaration. [`macro@DecodeValue`] has an example, the crate's page the
/// attributes.
#[proc_macro_derive(EncodeValue, attributes(helenus))]
pub fn derive_encode_value(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(input, encode::value)
}

fn expand(
    input: proc_macro::TokenStream,
    derive: impl FnOnce(&Input) -> Result<TokenStream>,
) -> proc_macro::TokenStream {
    let derived = syn::parse(input).and_then(|input| derive_for(input, derive));
    derived.unwrap_or_else(Error::into_compile_error).into()
}

fn derive_for(input: DeriveInput, derive: impl FnOnce(&Input) -> Result<TokenStream>) -> Result<TokenStream> {
    derive(&Input::parse(input)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is refused, and how that is said.
    #[test]
    fn refusals_say_what_to_do() {
        let rows = [
            ("enum E { A }", "only structs have fields"),
            ("union U { a: i32 }", "only structs have fields"),
            ("struct S<'a, 'b> { a: &'a str, b: &'b str }", "use one lifetime"),
            ("#[helenus(by_name)] struct S { a: i32 }", "takes `by_position` and `crate = path`"),
            ("struct S { #[helenus(renamed = \"b\")] a: i32 }", "a field takes `rename"),
            ("struct S { #[helenus(skip, flatten)] a: i32 }", "a field takes `rename"),
            ("struct S { #[helenus(skip, rename = \"b\")] a: i32 }", "has no column of its own"),
            ("struct S { a: i32, #[helenus(rename = \"a\")] b: i32 }", "two fields have the name 'a'"),
            ("#[helenus(by_position)] struct S { #[helenus(default)] a: i32 }", "by position"),
            ("struct S(#[helenus(rename = \"b\")] i32);", "by position"),
        ];
        for (input, expected) in rows {
            assert_refused(input, decode::row, expected);
        }
        for (input, expected) in [
            ("struct S(i32, i32);", "CQL tuples are Rust tuples"),
            ("#[helenus(by_position)] struct S { a: i32 }", "leave `by_position` out"),
        ] {
            assert_refused(input, decode::value, expected);
            assert_refused(input, encode::value, expected);
        }
    }

    fn assert_refused(input: &str, derive: fn(&Input) -> Result<TokenStream>, expected: &str) {
        let refused = derive_for(syn::parse_str(input).unwrap(), derive);
        let message = refused.map_err(|error| error.to_string()).expect_err(input);
        assert!(message.contains(expected), "{input}: {message}");
    }
}

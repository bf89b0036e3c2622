//! `DecodeRow` and `DecodeValue`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Lifetime, Result};

use crate::input::{Field, Input, Kind, place};

pub(crate) fn row(input: &Input) -> Result<TokenStream> {
    let (krate, lifetime) = (&input.krate, input.lifetime()?);
    let value = quote!(#krate::value);
    let of = quote!(#value::fields::DecodeFields<#lifetime, #value::fields::OfRow>);
    let fields = fields(input, &lifetime, &of);
    let (head, this, bounds) = input.header(Some(&lifetime), |field| bound(field, &value, &lifetime, &of));
    let (check, decode) = if input.by_position {
        (quote!(check_row_by_position::<Self>(columns)), quote!(decode_row_by_position::<Self>(cells)))
    } else {
        (quote!(check_row::<Self>(columns)), quote!(decode_row::<Self>(layout, cells)))
    };
    Ok(quote! {
        #fields

        #[automatically_derived]
        #head #value::DecodeRow<#lifetime> for #this #bounds {
            fn check(
                columns: &[#value::fields::ColumnSpec],
            ) -> ::core::result::Result<#value::Layout, #value::DecodeError> {
                #value::fields::#check
            }

            #[inline]
            fn decode(
                layout: &#value::Layout,
                cells: &mut #value::Cells<#lifetime>,
            ) -> ::core::result::Result<Self, #value::DecodeError> {
                let _ = layout;
                #value::fields::#decode
            }
        }
    })
}

pub(crate) fn value(input: &Input) -> Result<TokenStream> {
    let (krate, lifetime) = (&input.krate, input.lifetime()?);
    let value = quote!(#krate::value);
    let of = quote!(#value::fields::DecodeFields<#lifetime, #value::fields::OfUdt>);
    let (head, this, bounds) = input.header(Some(&lifetime), |field| bound(field, &value, &lifetime, &of));
    let (fields, check, decode) = match input.newtype() {
        Some(Field { ty, .. }) => {
            let inner = quote_spanned!(ty.span()=> <#ty as #value::DecodeValue<#lifetime>>);
            let decode = quote!(#inner::decode(column_type, bytes).map(|value| Self(value)));
            (TokenStream::new(), quote!(#inner::check(column_type)), decode)
        }
        None => {
            input.check_named()?;
            let check = quote!(#value::fields::check_udt::<Self>(column_type));
            let decode = quote!(#value::fields::decode_udt::<Self>(column_type, bytes));
            (fields(input, &lifetime, &of), check, decode)
        }
    };
    Ok(quote! {
        #fields

        #[automatically_derived]
        #head #value::DecodeValue<#lifetime> for #this #bounds {
            #[inline]
            fn check(
                column_type: &#value::fields::ColumnType,
            ) -> ::core::result::Result<(), #value::TypeMismatch> {
                #check
            }

            #[inline]
            fn decode(
                column_type: &#value::fields::ColumnType,
                bytes: ::core::option::Option<&#lifetime [u8]>,
            ) -> ::core::result::Result<Self, #value::DecodeValueError> {
                #decode
            }
        }
    })
}

/// The impl of `DecodeFields`.
fn fields(input: &Input, lifetime: &Lifetime, of: &TokenStream) -> TokenStream {
    let krate = &input.krate;
    let value = quote!(#krate::value);
    let (head, this, bounds) = input.header(Some(lifetime), |field| bound(field, &value, lifetime, of));
    let (place, count) = (place(), input.count(of));
    let field = input.choose(
        of,
        |field| describe(field, &value),
        |Field { ty, .. }| quote!(<#ty as #of>::field(#place)),
        &quote!(::core::option::Option::None),
    );
    let source = quote!(source);
    let takes = input.fields.iter().map(|field| take(field, &value, of, &source));
    quote! {
        #[automatically_derived]
        #head #of for #this #bounds {
            const FIELDS: u16 = #count;

            fn field(#place: u16) -> ::core::option::Option<#value::fields::Field> {
                #field
            }

            #[inline]
            fn decode_fields<__Source: #value::fields::TakeFields<#lifetime>>(
                #source: &mut __Source,
            ) -> ::core::result::Result<Self, __Source::Error> {
                let _ = &#source;
                ::core::result::Result::Ok(Self { #(#takes,)* })
            }
        }
    }
}

fn describe(field: &Field, value: &TokenStream) -> TokenStream {
    let Field { ty, name, kind, .. } = field;
    let optional = *kind == Kind::Value { default: true };
    let new = quote_spanned!(ty.span()=> #value::fields::Field::new::<#ty>);
    quote!(::core::option::Option::Some(#new(#name, #optional)))
}

fn take(field: &Field, value: &TokenStream, of: &TokenStream, source: &TokenStream) -> TokenStream {
    let Field { member, ty, name, kind, .. } = field;
    let taken = match kind {
        Kind::Skip => quote_spanned!(ty.span()=> <#ty as ::core::default::Default>::default()),
        Kind::Flatten => quote_spanned!(ty.span()=> <#ty as #of>::decode_fields(#source)?),
        Kind::Value { default: false } => {
            quote_spanned!(ty.span()=> #value::fields::TakeFields::take::<#ty>(#source, #name)?)
        }
        Kind::Value { default: true } => {
            quote_spanned!(ty.span()=> #value::fields::TakeFields::take_or_default::<#ty>(#source, #name)?)
        }
    };
    quote!(#member: #taken)
}

/// What the field's type has to be, if it is generic.
fn bound(field: &Field, value: &TokenStream, lifetime: &Lifetime, of: &TokenStream) -> Option<TokenStream> {
    Some(match field.kind {
        Kind::Value { default: false } => quote!(#value::DecodeValue<#lifetime>),
        Kind::Value { default: true } => quote!(#value::DecodeValue<#lifetime> + ::core::default::Default),
        Kind::Skip => quote!(::core::default::Default),
        Kind::Flatten => of.clone(),
    })
}

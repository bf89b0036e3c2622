//! `EncodeValues` and `EncodeValue`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Result;
use syn::spanned::Spanned;

use crate::input::{Field, Input, Kind, place};

pub(crate) fn values(input: &Input) -> TokenStream {
    let krate = &input.krate;
    let value = quote!(#krate::value);
    let of = quote!(#value::fields::EncodeFields<#value::fields::OfRow>);
    let fields = fields(input, &of);
    let (head, this, bounds) = input.header(None, |field| bound(field, &value, &of));
    let bind = if input.by_position { quote!(bind_by_position) } else { quote!(bind_by_name) };
    let named = (!input.by_position).then(|| {
        quote! {
            fn encode_named_values(
                &self,
                out: &mut #value::ValueWriter<'_>,
            ) -> ::core::option::Option<::core::result::Result<(), #value::BindError>> {
                ::core::option::Option::Some(#value::fields::bind_with_names(self, out))
            }
        }
    });
    quote! {
        #fields

        #[automatically_derived]
        #head #value::EncodeValues for #this #bounds {
            #[inline]
            fn value_count(&self) -> usize {
                ::core::convert::From::from(<Self as #of>::FIELDS)
            }

            #[inline]
            fn encode_values(
                &self,
                markers: &[#value::fields::ColumnSpec],
                out: &mut #value::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #value::BindError> {
                #value::fields::#bind(self, markers, out)
            }

            #[inline]
            fn encode_untyped_values(
                &self,
                out: &mut #value::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #value::BindError> {
                #value::fields::bind_untyped(self, out)
            }

            #named
        }
    }
}

pub(crate) fn value(input: &Input) -> Result<TokenStream> {
    let krate = &input.krate;
    let value = quote!(#krate::value);
    let of = quote!(#value::fields::EncodeFields<#value::fields::OfUdt>);
    let (head, this, bounds) = input.header(None, |field| bound(field, &value, &of));
    let (fields, encode, untyped) = match input.newtype() {
        Some(Field { ty, .. }) => {
            let inner = quote_spanned!(ty.span()=> <#ty as #value::EncodeValue>);
            let encode = quote!(#inner::encode(&self.0, column_type, out));
            (TokenStream::new(), encode, quote!(#inner::encode_untyped(&self.0, out)))
        }
        None => {
            input.check_named()?;
            let encode = quote!(#value::fields::encode_udt(self, column_type, out));
            (fields(input, &of), encode, quote!(#value::fields::encode_untyped_udt(self, out)))
        }
    };
    Ok(quote! {
        #fields

        #[automatically_derived]
        #head #value::EncodeValue for #this #bounds {
            #[inline]
            fn encode(
                &self,
                column_type: &#value::fields::ColumnType,
                out: &mut #value::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #value::EncodeError> {
                #encode
            }

            #[inline]
            fn encode_untyped(
                &self,
                out: &mut #value::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #value::EncodeError> {
                #untyped
            }
        }
    })
}

/// The impl of `EncodeFields`.
fn fields(input: &Input, of: &TokenStream) -> TokenStream {
    let krate = &input.krate;
    let value = quote!(#krate::value);
    let (head, this, bounds) = input.header(None, |field| bound(field, &value, of));
    let (place, count) = (place(), input.count(of));
    let name = input.choose(
        of,
        |Field { name, .. }| quote!(::core::option::Option::Some(#name)),
        |Field { ty, .. }| quote!(<#ty as #of>::name(#place)),
        &quote!(::core::option::Option::None),
    );
    let (this_value, column_type, out) = (quote!(self), quote!(column_type), quote!(out));
    let none = quote!(::core::result::Result::Err(#value::fields::no_such_field()));
    let encode = |method: TokenStream, arguments: TokenStream| {
        let of_field = |Field { ty, member, .. }: &Field| quote_spanned!(ty.span()=> <#ty as #value::EncodeValue>::#method(&#this_value.#member, #arguments));
        let of_flattened = |Field { ty, member, .. }: &Field| {
            let method = if method.to_string() == "encode" {
                quote!(encode_field)
            } else {
                quote!(encode_untyped_field)
            };
            quote_spanned!(ty.span()=> <#ty as #of>::#method(&#this_value.#member, #place, #arguments))
        };
        input.choose(of, of_field, of_flattened, &none)
    };
    let typed = encode(quote!(encode), quote!(#column_type, #out));
    let untyped = encode(quote!(encode_untyped), out.clone());
    quote! {
        #[automatically_derived]
        #head #of for #this #bounds {
            const FIELDS: u16 = #count;

            #[inline]
            fn name(#place: u16) -> ::core::option::Option<&'static str> {
                #name
            }

            #[inline]
            fn encode_field(
                &#this_value,
                #place: u16,
                #column_type: &#value::fields::ColumnType,
                #out: &mut #value::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #value::EncodeError> {
                #typed
            }

            #[inline]
            fn encode_untyped_field(
                &#this_value,
                #place: u16,
                #out: &mut #value::ValueWriter<'_>,
            ) -> ::core::result::Result<(), #value::EncodeError> {
                #untyped
            }
        }
    }
}

/// What the field's type has to be, if it is generic.
fn bound(field: &Field, value: &TokenStream, of: &TokenStream) -> Option<TokenStream> {
    match field.kind {
        Kind::Value { .. } => Some(quote!(#value::EncodeValue)),
        Kind::Skip => None,
        Kind::Flatten => Some(of.clone()),
    }
}

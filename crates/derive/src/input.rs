//! What a derive is given: a struct, its fields, and what `#[helenus(..)]` says of them.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, Generics, Index, Lifetime, LifetimeParam, LitStr, Member,
    Path, Result, Type, WherePredicate, parse_quote,
};

/// A struct to derive for.
pub(crate) struct Input {
    pub(crate) ident: Ident,
    generics: Generics,
    /// The crate `helenus`.
    pub(crate) krate: Path,
    /// Also true for tuple structs.
    pub(crate) by_position: bool,
    pub(crate) is_tuple: bool,
    pub(crate) fields: Vec<Field>,
}

/// One field of the struct.
pub(crate) struct Field {
    pub(crate) member: Member,
    pub(crate) ty: Type,
    /// Of its column.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    by_name: Option<Span>,
}

/// What becomes of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Value { default: bool },
    Skip,
    Flatten,
}

/// A stretch of fields that have a number: those of one struct, or a flattened one with all of its own.
pub(crate) enum Stretch<'f> {
    Values(Vec<&'f Field>),
    Flatten(&'f Field),
}

impl Input {
    pub(crate) fn parse(input: DeriveInput) -> Result<Self> {
        let Data::Struct(data) = input.data else {
            return Err(Error::new(
                input.ident.span(),
                "only structs have fields for columns: implement the trait by hand",
            ));
        };
        let mut krate = parse_quote!(::helenus);
        let mut position = None;
        each_attribute(&input.attrs, |meta| {
            if meta.path.is_ident("by_position") {
                position = Some(meta.path.span());
            } else if meta.path.is_ident("crate") {
                krate = meta.value()?.parse()?;
            } else {
                return Err(meta.error("a struct takes `by_position` and `crate = path`"));
            }
            Ok(())
        })?;
        let is_tuple = matches!(data.fields, Fields::Unnamed(_));
        let fields: Vec<_> = data.fields.into_iter().enumerate().map(Field::parse).collect::<Result<_>>()?;
        let by_position = is_tuple || position.is_some();
        check_fields(&fields, by_position)?;
        Ok(Self { ident: input.ident, generics: input.generics, krate, by_position, is_tuple, fields })
    }

    /// That its fields have names, as those of user-defined types do.
    pub(crate) fn check_named(&self) -> Result<()> {
        let reason = if self.is_tuple {
            "a tuple struct of one field stands for that field, and CQL tuples are Rust tuples: name the fields for a \
             user-defined type"
        } else if self.by_position {
            "fields of user-defined types go by their names: leave `by_position` out"
        } else {
            return Ok(());
        };
        Err(Error::new(self.ident.span(), reason))
    }

    /// The only field of a tuple struct.
    pub(crate) fn newtype(&self) -> Option<&Field> {
        match self.fields.as_slice() {
            [field] if self.is_tuple && matches!(field.kind, Kind::Value { .. }) => Some(field),
            _ => None,
        }
    }

    /// The life of the response: the struct's own lifetime, or one that it doesn't have.
    pub(crate) fn lifetime(&self) -> Result<Lifetime> {
        let mut lifetimes = self.generics.lifetimes();
        match (lifetimes.next(), lifetimes.next()) {
            (None, _) => Ok(Lifetime::new("'__helenus", Span::mixed_site())),
            (Some(one), None) => Ok(one.lifetime.clone()),
            (_, Some(second)) => Err(Error::new(
                second.lifetime.span(),
                "all that is borrowed lives as long as the response: use one lifetime",
            )),
        }
    }

    /// The beginning of an impl, the type, and its bounds. `lifetime` is added if the struct doesn't have it.
    pub(crate) fn header(
        &self,
        lifetime: Option<&Lifetime>,
        bounds: impl Fn(&Field) -> Option<TokenStream>,
    ) -> (TokenStream, TokenStream, TokenStream) {
        let mut generics = self.generics.clone();
        if let Some(lifetime) = lifetime {
            if generics.lifetimes().next().is_none() {
                generics.params.insert(0, LifetimeParam::new(lifetime.clone()).into());
            }
        }
        let predicates: Vec<WherePredicate> = self
            .fields
            .iter()
            .filter_map(|field| {
                let bound = bounds(field).filter(|_| self.is_generic(&field.ty))?;
                let ty = &field.ty;
                Some(parse_quote!(#ty: #bound))
            })
            .collect();
        if !predicates.is_empty() {
            generics.make_where_clause().predicates.extend(predicates);
        }
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        let (_, type_generics, _) = self.generics.split_for_impl();
        let ident = &self.ident;
        (quote!(impl #impl_generics), quote!(#ident #type_generics), quote!(#where_clause))
    }

    /// The fields with numbers, in order.
    pub(crate) fn stretches(&self) -> Vec<Stretch<'_>> {
        let mut stretches = Vec::new();
        for field in &self.fields {
            match (field.kind, stretches.last_mut()) {
                (Kind::Skip, _) => {}
                (Kind::Flatten, _) => stretches.push(Stretch::Flatten(field)),
                (Kind::Value { .. }, Some(Stretch::Values(values))) => values.push(field),
                (Kind::Value { .. }, _) => stretches.push(Stretch::Values(vec![field])),
            }
        }
        stretches
    }

    /// The constant `FIELDS`, where `of` is the trait that flattened structs have.
    pub(crate) fn count(&self, of: &TokenStream) -> TokenStream {
        let counts = self.stretches().into_iter().map(|stretch| match stretch {
            Stretch::Values(fields) => (fields.len() as u16).to_token_stream(),
            Stretch::Flatten(Field { ty, .. }) => quote!(<#ty as #of>::FIELDS),
        });
        quote!(0u16 #(+ #counts)*)
    }

    /// An expression that chooses by the number `place`: what `value` makes of a field, `flatten` of a flattened struct, whose
    /// number is then in `place`, and `otherwise` for numbers that no field has.
    pub(crate) fn choose(
        &self,
        of: &TokenStream,
        value: impl Fn(&Field) -> TokenStream,
        flatten: impl Fn(&Field) -> TokenStream,
        otherwise: &TokenStream,
    ) -> TokenStream {
        let place = place();
        self.stretches().into_iter().rev().fold(otherwise.clone(), |rest, stretch| match stretch {
            Stretch::Values(fields) => {
                let numbers = 0..fields.len() as u16;
                let count = numbers.end;
                let values = fields.into_iter().map(&value);
                quote! {
                    match #place {
                        #(#numbers => #values,)*
                        _ => {
                            let #place = #place - #count;
                            let _ = #place;
                            #rest
                        }
                    }
                }
            }
            Stretch::Flatten(field) => {
                let (ty, inner) = (&field.ty, flatten(field));
                quote! {
                    if #place < <#ty as #of>::FIELDS {
                        #inner
                    } else {
                        let #place = #place - <#ty as #of>::FIELDS;
                        let _ = #place;
                        #rest
                    }
                }
            }
        })
    }

    /// Whether the type depends on a parameter: only then can a bound on it be needed.
    fn is_generic(&self, ty: &Type) -> bool {
        let parameters: Vec<_> = self.generics.type_params().map(|param| &param.ident).collect();
        !parameters.is_empty() && mentions(ty.to_token_stream(), &parameters)
    }
}

impl Field {
    fn parse((index, field): (usize, syn::Field)) -> Result<Self> {
        let member = match &field.ident {
            Some(ident) => Member::Named(ident.clone()),
            None => Member::Unnamed(Index { index: index as u32, span: field.ty.span() }),
        };
        let mut name = field.ident.as_ref().map(|ident| ident.unraw().to_string()).unwrap_or_default();
        let (mut by_name, mut default, mut special) = (None, false, None);
        each_attribute(&field.attrs, |meta| {
            let span = meta.path.span();
            if meta.path.is_ident("rename") {
                let literal: LitStr = meta.value()?.parse()?;
                name = literal.value();
                by_name = Some(span);
            } else if meta.path.is_ident("default") {
                (default, by_name) = (true, Some(span));
            } else if meta.path.is_ident("skip") && special.is_none() {
                special = Some(Kind::Skip);
            } else if meta.path.is_ident("flatten") && special.is_none() {
                special = Some(Kind::Flatten);
            } else {
                return Err(
                    meta.error("a field takes `rename = \"..\"` and `default`, or `skip`, or `flatten`")
                );
            }
            Ok(())
        })?;
        if let (Some(span), true) = (by_name, special.is_some()) {
            return Err(Error::new(span, "a field that is skipped or flattened has no column of its own"));
        }
        let kind = special.unwrap_or(Kind::Value { default });
        Ok(Self { member, ty: field.ty, name, kind, by_name })
    }
}

/// The variable with a field's number.
pub(crate) fn place() -> Ident {
    Ident::new("place", Span::mixed_site())
}

fn each_attribute(
    attributes: &[Attribute],
    mut logic: impl FnMut(syn::meta::ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("helenus"))
        .try_for_each(|attribute| attribute.parse_nested_meta(&mut logic))
}

fn check_fields(fields: &[Field], by_position: bool) -> Result<()> {
    if let Some(field) = fields.get(usize::from(u16::MAX)) {
        return Err(Error::new(field.member.span(), "a request has at most 65,535 values"));
    }
    for (index, field) in fields.iter().enumerate() {
        match field.by_name {
            Some(span) if by_position => {
                return Err(Error::new(span, "by position, each field has its column and names say nothing"));
            }
            _ => {}
        }
        let is_named = |other: &&Field| matches!(other.kind, Kind::Value { .. }) && other.name == field.name;
        if !by_position && is_named(&field) && fields[..index].iter().any(|other| is_named(&other)) {
            let reason = format!("two fields have the name '{}': rename one", field.name);
            return Err(Error::new(field.by_name.unwrap_or_else(|| field.member.span()), reason));
        }
    }
    Ok(())
}

fn mentions(tokens: TokenStream, parameters: &[&Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => parameters.contains(&&ident),
        TokenTree::Group(group) => mentions(group.stream(), parameters),
        _ => false,
    })
}

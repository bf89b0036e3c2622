//! Whom a session trusts, and who it is.

use std::sync::Arc;

use helenus::tls::Tls;
use helenus_conformance::tls::{Authority, Front, Identity, StoppedClock};

use crate::common::{Kind, on_every_reactor};
use crate::{Secured, assert_says, refusal};

on_every_reactor!(
    a_stranger_has_signed,
    a_certificate_that_signs_itself,
    an_expired_certificate,
    a_certificate_of_the_future,
    a_client_certificate_is_shown,
    a_client_certificate_is_missing,
    a_client_certificate_of_a_stranger,
    nothing_is_looked_at,
);

fn a_stranger_has_signed(kind: Kind) {
    let secured = Secured::new();
    let tls = Tls::new().roots_pem(Authority::new().pem());
    let text = refusal(kind, secured.builder(tls), secured.front.address());
    assert_says(&text, &["certificate was refused", "none of the given roots"]);
}

fn a_certificate_that_signs_itself(kind: Kind) {
    let identity = Identity::self_signed(&["127.0.0.1"]);
    let secured = Secured::with(|_, behind| Front::new(identity.server(None), behind));
    let text = refusal(kind, secured.builder(secured.trust()), secured.front.address());
    assert_says(&text, &["none of the given roots", "signed itself"]);
    kind.connect(secured.builder(Tls::new().roots_pem(&identity.certificate_pem))).unwrap();
}

/// Of some days of 2026.
fn in_its_days(authority: &Authority) -> Identity {
    authority.issue_with(&["127.0.0.1"], |params| {
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2026, 3, 1), rcgen::date_time_ymd(2026, 4, 1));
    })
}

fn an_expired_certificate(kind: Kind) {
    let secured = Secured::with(|authority, behind| Front::new(in_its_days(authority).server(None), behind));
    let at = |day| secured.builder(secured.trust().clock(Arc::new(StoppedClock::at_day(day))));
    let text = refusal(kind, at(150), secured.front.address());
    assert_says(&text, &["expired", "replace it on the node", "clock"]);
    kind.connect(at(70)).unwrap();
}

fn a_certificate_of_the_future(kind: Kind) {
    let secured = Secured::with(|authority, behind| Front::new(in_its_days(authority).server(None), behind));
    let tls = secured.trust().clock(Arc::new(StoppedClock::at_day(10)));
    let text = refusal(kind, secured.builder(tls), secured.front.address());
    assert_says(&text, &["not valid yet", "clock"]);
}

fn of_members() -> (Authority, Secured) {
    let members = Authority::new();
    let secured = Secured::with(|authority, behind| {
        Front::new(authority.issue(&["127.0.0.1"]).server(Some(&members)), behind)
    });
    (members, secured)
}

fn a_client_certificate_is_shown(kind: Kind) {
    let (members, secured) = of_members();
    let member = members.issue(&["client"]);
    let tls = secured.trust().client_certificate_pem(&member.certificate_pem, &member.key_pem);
    kind.connect(secured.builder(tls)).unwrap();
    assert!(secured.front.visits()[0].with_certificate);
}

fn a_client_certificate_is_missing(kind: Kind) {
    let (_members, secured) = of_members();
    let text = refusal(kind, secured.builder(secured.trust()), secured.front.address());
    assert_says(&text, &["CertificateRequired", "wants a client certificate"]);
}

fn a_client_certificate_of_a_stranger(kind: Kind) {
    let (_members, secured) = of_members();
    let stranger = Authority::new().issue(&["client"]);
    let tls = secured.trust().client_certificate_pem(&stranger.certificate_pem, &stranger.key_pem);
    let text = refusal(kind, secured.builder(tls), secured.front.address());
    assert_says(&text, &["refused the client certificate", "truststore"]);
}

fn nothing_is_looked_at(kind: Kind) {
    let secured = Secured::new();
    kind.connect(secured.builder(Tls::new().dangerously_accept_any_certificate())).unwrap();
}

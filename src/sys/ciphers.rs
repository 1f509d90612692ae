//! What TLS is made of: the parts of rustls' ring provider that a client of public services meets.
//! The handshake is rustls', the trust is `tls`.
//!
//! A part that is not named here is not in the binary. Left out against rustls' own list:
//!
//! - ChaCha20-Poly1305: every server of TLS 1.3 has AES-GCM (RFC 8446 9.1), and those of TLS 1.2
//!   that have the one have the other.
//! - Ed25519: no public authority may sign with it (CA/Browser Forum, Baseline Requirements 6.1.5).
//! - Keys of our own: we show no certificate.
//! - QUIC.

use ring::rand::SecureRandom as _;
use rustls::crypto::ring::{DEFAULT_KX_GROUPS, cipher_suite};
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{CipherSuiteCommon, Error, SignatureScheme, SupportedCipherSuite, Tls13CipherSuite};
use std::sync::Arc;
use webpki::ring::*;

pub fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: SUITES.to_vec(),
        kx_groups: DEFAULT_KX_GROUPS.to_vec(),
        signature_verification_algorithms: SIGNATURES,
        secure_random: &Chance,
        key_provider: &NoKeys,
    }
}

static SUITES: &[SupportedCipherSuite] = &[
    SupportedCipherSuite::Tls13(&AES_256),
    SupportedCipherSuite::Tls13(&AES_128),
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];
static AES_256: Tls13CipherSuite = over_tcp(cipher_suite::TLS13_AES_256_GCM_SHA384);
static AES_128: Tls13CipherSuite = over_tcp(cipher_suite::TLS13_AES_128_GCM_SHA256);

/// The suite without its part for QUIC.
const fn over_tcp(suite: SupportedCipherSuite) -> Tls13CipherSuite {
    let Some(whole) = suite.tls13() else { panic!("a suite of TLS 1.3") };
    let CipherSuiteCommon { suite, hash_provider, confidentiality_limit } = whole.common;
    Tls13CipherSuite {
        common: CipherSuiteCommon { suite, hash_provider, confidentiality_limit },
        hkdf_provider: whole.hkdf_provider,
        aead_alg: whole.aead_alg,
        quic: None,
    }
}

/// As rustls has them, but for Ed25519. In TLS 1.2 a scheme does not say the curve.
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        ECDSA_P256_SHA256,
        ECDSA_P256_SHA384,
        ECDSA_P384_SHA256,
        ECDSA_P384_SHA384,
        RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384,
        RSA_PKCS1_2048_8192_SHA512,
        RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[ECDSA_P384_SHA384, ECDSA_P256_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[ECDSA_P256_SHA256, ECDSA_P384_SHA256]),
        (SignatureScheme::RSA_PSS_SHA512, &[RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[RSA_PKCS1_2048_8192_SHA256]),
    ],
};

#[derive(Debug)]
struct Chance;

impl SecureRandom for Chance {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        ring::rand::SystemRandom::new().fill(bytes).map_err(|_| GetRandomFailed)
    }
}

#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("no certificate of our own is shown".into()))
    }
}

//! TLS by rustls, verified always. What is special here is how the trust roots are read.
//!
//! A system bundle holds some 140 certificates, and one of them is needed. So nothing is loaded
//! before the server's chain is there; then the bundle is read certificate by certificate, and
//! only those stay that can end this chain: whose subject is an issuer in it. rustls' own
//! verifier then decides with just these. That costs one pass over the file and no memory.

use crate::wire::der;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

/// Where systems keep their bundle: OpenWrt and Debian, Alpine, Fedora.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt"];

/// A client's settings: TLS 1.2 and 1.3, roots from `ca_file`, else $SSL_CERT_FILE, else the
/// system's bundle.
pub fn config(ca_file: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Roots { file: ca_file.map(str::to_string), provider: provider.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(roots))
        .with_no_client_auth();
    // Connections are kept within a call and closed after it; tickets would only cost memory.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Roots {
    file: Option<String>,
    provider: Arc<CryptoProvider>,
}

impl Roots {
    /// The roots that can end this chain.
    fn for_chain(&self, chain: &[&CertificateDer<'_>]) -> Result<RootCertStore, Error> {
        let issuers: Vec<&[u8]> =
            chain.iter().filter_map(|one| der::names(one)).map(|(issuer, _)| issuer).collect();
        let mut store = RootCertStore::empty();
        match self.open()? {
            Some((file, path)) => {
                let reader = BufReader::with_capacity(4096, file);
                let mut any = false;
                for root in CertificateDer::pem_reader_iter(reader) {
                    // One bad entry in a bundle must not cost the others.
                    let Ok(root) = root else { continue };
                    any = true;
                    let fits = der::names(&root).is_some_and(|(_, name)| issuers.contains(&name));
                    if fits || chain.iter().any(|one| ***one == *root) {
                        let _ = store.add(root);
                    }
                }
                if !any {
                    return Err(trouble(format!("there are no certificates in {path}")));
                }
            }
            #[cfg(feature = "bundled-roots")]
            None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            #[cfg(not(feature = "bundled-roots"))]
            None => {
                return Err(trouble(
                    "there are no trust roots on this machine: install ca-bundle, or set option \
                     ca_file"
                        .into(),
                ));
            }
        }
        Ok(store)
    }

    fn open(&self) -> Result<Option<(File, String)>, Error> {
        let named = self.file.clone().or_else(|| std::env::var("SSL_CERT_FILE").ok());
        if let Some(path) = named {
            return match File::open(&path) {
                Ok(file) => Ok(Some((file, path))),
                Err(error) => Err(trouble(format!("could not read trust roots {path}: {error}"))),
            };
        }
        Ok(BUNDLES
            .iter()
            .find_map(|path| File::open(path).ok().map(|file| (file, path.to_string()))))
    }
}

impl ServerCertVerifier for Roots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
        let roots = self.for_chain(&chain)?;
        if roots.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| trouble(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn trouble(text: String) -> Error {
    Error::Other(OtherError(Arc::new(std::io::Error::other(text))))
}

/// A TLS failure in the owner's words, and whether it is about the time.
pub fn say(error: &Error, now: u64) -> (bool, String) {
    let time = |at: &UnixTime| date(at.as_secs());
    match error {
        Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::NotValidYet => {
                (true, format!("its certificate is not valid at {}, by this clock", date(now)))
            }
            CertificateError::ExpiredContext { time: now, not_after } => (
                true,
                format!(
                    "its certificate ended {}; this router's clock says {}. Is the clock right?",
                    time(not_after),
                    time(now)
                ),
            ),
            CertificateError::NotValidYetContext { time: now, not_before } => (
                true,
                format!(
                    "its certificate begins {}; this router's clock says {}. Is the clock right?",
                    time(not_before),
                    time(now)
                ),
            ),
            CertificateError::UnknownIssuer => {
                (false, "its certificate is not from an authority this machine trusts".into())
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                (false, "its certificate is for another name".into())
            }
            other => (false, format!("its certificate is not good: {other}")),
        },
        Error::Other(other) => (false, other.0.to_string()),
        other => (false, format!("TLS failed: {other}")),
    }
}

/// `YYYY-MM-DD HH:MM UTC` of seconds since 1970 (proleptic Gregorian calendar).
pub fn date(seconds: u64) -> String {
    let days = (seconds / 86_400) as i64;
    // Days since 0000-03-01, in eras of 400 years; years begin in March, so that the leap day
    // is their last.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_795_452_266), "2026-11-23 16:44 UTC");
        assert_eq!(date(4_107_542_399), "2100-02-28 23:59 UTC");
    }
}

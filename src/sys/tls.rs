//! TLS by rustls, verified always. What is special here is how the trust roots are read.
//!
//! A system bundle holds some 140 certificates, and one of them is needed. So nothing is loaded
//! before the server's chain is there; then the bundle is read certificate by certificate, and
//! only those stay that can end this chain: whose subject is an issuer in it. rustls then
//! decides with just these. That costs one pass over the file and no memory.

use super::{ciphers, files};
use crate::model::utc::utc;
use crate::wire::der;
use crate::world::NetErrorKind;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use std::fs::File;
use std::io::{self, BufReader};
use std::sync::Arc;

/// Where systems keep their bundle: OpenWrt and Debian, Alpine, Fedora.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt"];

/// A client's settings: TLS 1.2 and 1.3, roots from `ca_file`, else $SSL_CERT_FILE, else the
/// system's bundle. An own file that can't be opened is told here, before anybody is asked.
pub fn config(ca_file: Option<&str>) -> Result<Arc<ClientConfig>, (NetErrorKind, String)> {
    if let Some(path) = ca_file {
        File::open(path).map_err(|error| {
            let why = files::say_read(&error);
            (NetErrorKind::Config, format!("could not read the trust roots {path}: {why}"))
        })?;
    }
    let provider = Arc::new(ciphers::provider());
    let roots = Roots { file: ca_file.map(str::to_string), provider: provider.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| (NetErrorKind::Tls, error.to_string()))?
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
    /// The roots that can end this chain, and where they were looked for.
    fn for_chain(&self, chain: &[&CertificateDer<'_>]) -> Result<(RootCertStore, String), Error> {
        let issuers: Vec<&[u8]> =
            chain.iter().filter_map(|one| der::names(one)).map(|(issuer, _)| issuer).collect();
        let mut store = RootCertStore::empty();
        let place = match self.open()? {
            Some((file, path)) => {
                let reader = BufReader::with_capacity(4096, file);
                let mut any = false;
                for root in CertificateDer::pem_reader_iter(reader) {
                    let root = match root {
                        Ok(root) => root,
                        Err(pem::Error::Io(error)) => return Err(self.unread(&path, &error)),
                        // One bad entry in a bundle must not cost the others.
                        Err(_) => continue,
                    };
                    any = true;
                    let fits = der::names(&root).is_some_and(|(_, name)| issuers.contains(&name));
                    if fits || chain.iter().any(|one| ***one == *root) {
                        let _ = store.add(root);
                    }
                }
                if !any {
                    return Err(self.trouble(format!("no certificate in PEM form is in {path}")));
                }
                path
            }
            #[cfg(feature = "bundled-roots")]
            None => {
                store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                "this program".into()
            }
            #[cfg(not(feature = "bundled-roots"))]
            None => {
                let text = "there are no trust roots on this machine: install ca-bundle, or set \
                            option ca_file";
                return Err(self.trouble(text.into()));
            }
        };
        Ok((store, place))
    }

    /// What is wrong with the roots themselves. With the owner's own file, it is theirs to mend.
    fn trouble(&self, text: String) -> Error {
        match self.file {
            Some(_) => trouble(io::ErrorKind::InvalidInput, text),
            None => trouble(io::ErrorKind::Other, text),
        }
    }

    fn unread(&self, path: &str, error: &io::Error) -> Error {
        let why = files::say_read(error);
        self.trouble(format!("could not read the trust roots {path}: {why}"))
    }

    fn open(&self) -> Result<Option<(File, String)>, Error> {
        let named = self.file.clone().or_else(|| std::env::var("SSL_CERT_FILE").ok());
        if let Some(path) = named {
            return match File::open(&path) {
                Ok(file) => Ok(Some((file, path))),
                Err(error) => Err(self.unread(&path, &error)),
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
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
        let (roots, place) = self.for_chain(&chain)?;
        let stranger = || {
            let text = format!("its certificate is from no authority in {place}");
            Error::from(CertificateError::Other(other(io::ErrorKind::Other, text)))
        };
        if roots.is_empty() {
            return Err(stranger());
        }
        // What rustls' own verifier does, without its lists of revoked certificates: there are
        // none here, and the code that reads them is 10 KB.
        let algorithms = self.provider.signature_verification_algorithms.all;
        ParsedCertificate::try_from(end_entity)
            .and_then(|cert| {
                verify_server_cert_signed_by_trust_anchor(
                    &cert,
                    &roots,
                    intermediates,
                    now,
                    algorithms,
                )?;
                verify_server_name(&cert, server_name)
            })
            .map(|()| ServerCertVerified::assertion())
            .map_err(|error| match error {
                Error::InvalidCertificate(CertificateError::UnknownIssuer) => stranger(),
                error => error,
            })
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

fn trouble(kind: io::ErrorKind, text: String) -> Error {
    Error::Other(other(kind, text))
}

fn other(kind: io::ErrorKind, text: String) -> OtherError {
    OtherError(Arc::new(io::Error::new(kind, text)))
}

/// A TLS failure in the owner's words.
pub fn say(error: &Error, host: &str, now: u64) -> (NetErrorKind, String) {
    let (kind, why) = match error {
        Error::InvalidCertificate(why) => untrusted(why, now),
        Error::Other(OtherError(why)) => {
            let own = why.downcast_ref::<io::Error>().map(io::Error::kind);
            match own {
                Some(io::ErrorKind::InvalidInput) => (NetErrorKind::Config, why.to_string()),
                _ => (NetErrorKind::Tls, why.to_string()),
            }
        }
        Error::InvalidMessage(_) => {
            (NetErrorKind::Tls, "what it sends is not TLS; is the port right?".into())
        }
        Error::PeerIncompatible(_) => (NetErrorKind::Tls, "it has no TLS that we know".into()),
        Error::AlertReceived(alert) => (NetErrorKind::Tls, format!("it refused: {alert:?}")),
        other => (NetErrorKind::Tls, other.to_string()),
    };
    let verb = match error {
        Error::InvalidCertificate(_) | Error::Other(_) => "trust",
        _ => "set up TLS with",
    };
    (kind, format!("could not {verb} {host}: {why}"))
}

fn untrusted(why: &CertificateError, now: u64) -> (NetErrorKind, String) {
    let clock = |what: &str, limit: &UnixTime, now: &UnixTime| {
        let (limit, now) = (utc(limit.as_secs()), utc(now.as_secs()));
        let text = format!("its certificate {what} {limit}, but here it is {now}");
        (NetErrorKind::Clock, format!("{text}; check this machine's clock"))
    };
    match why {
        CertificateError::Expired | CertificateError::NotValidYet => {
            (NetErrorKind::Clock, format!("its certificate is not valid at {}", utc(now)))
        }
        CertificateError::ExpiredContext { time, not_after } => clock("ended", not_after, time),
        CertificateError::NotValidYetContext { time, not_before } => {
            clock("begins", not_before, time)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let text = "its certificate is for another name; a login page or proxy on the way \
                        may have answered instead";
            (NetErrorKind::Tls, text.into())
        }
        CertificateError::Other(OtherError(why)) => (NetErrorKind::Tls, why.to_string()),
        other => (NetErrorKind::Tls, format!("its certificate is not good: {other}")),
    }
}

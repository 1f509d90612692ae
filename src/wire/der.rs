//! Just enough of DER (X.690) to find who issued a certificate and whom it is for (RFC 5280 4.1).
//! Decides nothing about trust: it only says which certificates are worth a real look.

/// Issuer and subject of a certificate, as their DER stands in it.
pub fn names(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
    let (SEQUENCE, mut rest, _) = element(certificate)? else { return None };
    // version is optional, [0]; then serialNumber, signature, issuer, validity, subject.
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    rest = element(rest)?.2;
    rest = element(rest)?.2;
    let (_, issuer, rest) = element(rest)?;
    let (_, _, rest) = element(rest)?;
    let (_, subject, _) = element(rest)?;
    Some((issuer, subject))
}

const SEQUENCE: u8 = 0x30;

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let tag = *bytes.first()?;
    let first = *bytes.get(1)?;
    let (len, head) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let octets = usize::from(first & 0x7f);
        // Four octets are 4 GiB; zero is the indefinite form, which DER does not have.
        if octets == 0 || octets > 4 {
            return None;
        }
        let len = bytes.get(2..2 + octets)?.iter().fold(0u64, |len, b| len << 8 | u64::from(*b));
        (usize::try_from(len).ok()?, 2 + octets)
    };
    let end = head.checked_add(len)?;
    Some((tag, bytes.get(head..end)?, bytes.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "the subject");
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_self_signed_certificate_names_itself_twice() {
        let der = certificate();
        let (issuer, subject) = names(&der).unwrap();
        assert_eq!(issuer, subject);
        assert!(subject.windows(11).any(|part| part == b"the subject"));
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let der = certificate();
        for at in 0..der.len() {
            let _ = names(&der[..at]);
            for byte in [0, 0x80, 0x84, 0xff] {
                let mut bad = der.clone();
                bad[at] = byte;
                let _ = names(&bad);
            }
        }
    }
}

//! Client certificates for development: an authority for each organisation, and the machines it vouches for.

use super::{CERT_MARK, DevCaError, Made, Plan, ca_params, keep_or_make, named, put, valid};
use handoff_domain::ids::{ClientId, OrgId};
use handoff_domain::time::{DAY, Millis};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyUsagePurpose, SanType};
use std::path::{Path, PathBuf};

/// Life of a development machine's certificate, in milliseconds. In production a day is enough (security, 2); here
/// nobody renews them.
const MACHINE_LIFE_MS: i64 = 90 * DAY;

/// The authority of an organisation's client certificates.
#[must_use]
pub fn client_ca_file(folder: &Path, org: &OrgId) -> PathBuf {
    folder.join(format!("{org}.client-ca.pem"))
}

/// Certificate of an organisation's machine.
#[must_use]
pub fn machine_cert_file(folder: &Path, org: &OrgId, machine: &ClientId) -> PathBuf {
    folder.join(format!("{org}.{machine}.pem"))
}

/// Private key of an organisation's machine.
#[must_use]
pub fn machine_key_file(folder: &Path, org: &OrgId, machine: &ClientId) -> PathBuf {
    folder.join(format!("{org}.{machine}.key"))
}

/// Makes an organisation's authority and the certificates of its machines.
pub(super) fn write(plan: &Plan, org: &OrgId, now: Millis, made: &mut Vec<Made>) -> Result<(), DevCaError> {
    let curve = &rcgen::PKCS_ECDSA_P256_SHA256;
    let folder = &plan.folder;
    let ca = ca_params(&format!("{CERT_MARK}: clients of {org}"), now);
    let key_file = folder.join(format!("{org}.client-ca.key"));
    let (ca_key, ca_new) = keep_or_make(&key_file, curve, plan.replace, made)?;
    let pem = ca.self_signed(&ca_key).map_err(DevCaError::Certificate)?.pem();
    let ca_new = put(&client_ca_file(folder, org), pem.as_bytes(), plan.replace || ca_new, made)? || ca_new;
    let issuer = Issuer::from_params(&ca, &ca_key);
    for (_, machine) in plan.machines.iter().filter(|(of, _)| of == org) {
        let (key, new) = keep_or_make(&machine_key_file(folder, org, machine), curve, plan.replace, made)?;
        let certificate = machine_params(org, machine, now).and_then(|params| params.signed_by(&key, &issuer));
        let pem = certificate.map_err(DevCaError::Certificate)?.pem();
        let file = machine_cert_file(folder, org, machine);
        put(&file, pem.as_bytes(), plan.replace || ca_new || new, made)?;
    }
    Ok(())
}

fn machine_params(org: &OrgId, machine: &ClientId, now: Millis) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    named(&mut params, machine.as_str());
    valid(&mut params, now, MACHINE_LIFE_MS);
    let name = Ia5String::try_from(format!("handoff://{org}/machine/{machine}"))?;
    params.subject_alt_names = vec![SanType::URI(name)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

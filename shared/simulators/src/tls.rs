//! Certificates for clients that insist on https: from an authority that is made at each start.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

tokio::task_local! {
    /// With what the servers that are started within answer.
    static ACCEPTOR: Option<TlsAcceptor>;
}

/// A certificate authority and a certificate for `localhost` and 127.0.0.1. Its keys never leave the process.
pub struct CertificateAuthority {
    certificate: String,
    acceptor: TlsAcceptor,
}

impl CertificateAuthority {
    /// Makes both.
    pub fn new() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "Switchboard sandbox, trusted for tests alone");
        let key = KeyPair::generate()?;
        let certificate = authority.self_signed(&key)?;
        let issuer = Issuer::new(authority, key);

        let mut own = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        own.use_authority_key_identifier_extension = true;
        own.distinguished_name.push(DnType::CommonName, "localhost");
        let own_key = KeyPair::generate()?;
        let own = own.signed_by(&own_key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own_key.serialize_der()));
        let chain: Vec<CertificateDer<'static>> = vec![own.der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self { certificate: certificate.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// The authority's certificate, in PEM: what clients are given to trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Starts servers: those that `starting` starts answer https.
    pub async fn secure<F: Future>(&self, starting: F) -> F::Output {
        ACCEPTOR.scope(Some(self.acceptor.clone()), starting).await
    }
}

/// Starts servers that answer plain http, whatever is wanted around.
pub(crate) async fn plainly<F: Future>(starting: F) -> F::Output {
    ACCEPTOR.scope(None, starting).await
}

/// With what a server that starts now answers.
pub(crate) fn wanted() -> Option<TlsAcceptor> {
    ACCEPTOR.try_with(Clone::clone).ok().flatten()
}

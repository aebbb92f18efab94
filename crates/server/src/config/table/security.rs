//! Who a client is, and TLS (reference: operations §1.4, §1.5; security §1.9-1.11).

use crate::config::Config;
use crate::config::key::Class::{Property, System};
use crate::config::key::Kind::{Family, Switch, Text, Unread};
use crate::config::key::Verdict::{Honoured, Later};
use crate::config::key::{Key, Trouble};
use tree::auth::DigestAlgorithm;

const SASL: &str = "SASL";
const KERBEROS: &str = "Kerberos";
const TLS_: &str = "TLS";

#[rustfmt::skip]
pub static AUTH: &[Key] = &[
    Key::new("authProvider.*", Property, Honoured, Family("the class name of a provider Apache ships", provider), "",
        "Registers an authentication scheme. ip and digest are always there; others are not part of this version."),
    Key::new("DigestAuthenticationProvider.enabled", Property, Honoured, Switch(|c, v| c.auth.digest_enabled = v), "true",
        "Whether the scheme digest is there."),
    Key::new("DigestAuthenticationProvider.superDigest", Property, Honoured,
        Text("name:base64(hash(name:password))", super_digest), "",
        "The digest id of the superuser, whom no ACL stops.").secret(),
    Key::new("DigestAuthenticationProvider.digestAlg", Property, Honoured,
        Text("SHA1, SHA-256, SHA-384, SHA-512, SHA3-256, SHA3-512 or MD5", digest_algorithm), "SHA1",
        "The hash of digest ids; the same on every server, and for ever."),
    Key::new("enforce.auth.enabled", Property, Honoured, Switch(|c, v| c.auth.enforce_enabled = v), "false",
        "Whether requests are refused unless the connection has authenticated with one of the schemes below."),
    Key::new("enforce.auth.schemes", Property, Honoured, Text("schemes separated by commas", enforce_schemes), "",
        "The schemes of which one is needed."),
    Key::new("sessionRequireClientSASLAuth", Property, Honoured, Switch(|c, v| c.auth.require_sasl = v), "false",
        "The same with the scheme sasl."),
    Key::new("allowSaslFailedClients", Property, Later(SASL), Unread, "false",
        "Whether a client that failed SASL keeps its session."),
    Key::new("SASLAuthenticationProvider.superPassword", Property, Later(SASL), Unread, "",
        "Password of the DIGEST-MD5 user super.").secret(),
    Key::new("superUser", Property, Later(SASL), Unread, "", "A SASL id that is super."),
    Key::new("superUser.*", Property, Later(SASL), Unread, "", "More SASL ids that are super."),
    Key::new("letAnySaslUserDoX", Property, Later(SASL), Unread, "", "A SASL id that stands for any SASL user in ACLs."),
    Key::new("sasl.serverconfig", Property, Later(SASL), Unread, "Server", "Section of the login file."),
    Key::new("java.security.auth.login.config", System, Later(SASL), Unread, "", "The login file."),
    Key::new("X509AuthenticationProvider.superUser", Property, Later(TLS_), Unread, "",
        "The certificate name that is super."),
    Key::new("ensembleAuthName", Property, Later("the scheme ensemble"), Unread, "",
        "Names a client may expect of its ensemble."),
    Key::new("IPAuthenticationProvider.usexforwardedfor", Property, Later("the admin server"), Unread, "false",
        "Whether the admin server believes X-Forwarded-For."),
    Key::new("kerberos.removeHostFromPrincipal", Property, Later(KERBEROS), Unread, "false", "Shortens SASL ids."),
    Key::new("kerberos.removeRealmFromPrincipal", Property, Later(KERBEROS), Unread, "false", "Shortens SASL ids."),
    Key::new("security.auth_to_local", Property, Later(KERBEROS), Unread, "DEFAULT", "Rules for SASL ids."),
    Key::new("requireKerberosConfig", Property, Later(KERBEROS), Unread, "", "Whether Kerberos must be configured."),
    Key::new("kinit", Property, Later(KERBEROS), Unread, "", "Path of kinit."),
    Key::new("server.realm", System, Later(KERBEROS), Unread, "", "Realm of the server."),
];

#[rustfmt::skip]
pub static TLS: &[Key] = &[
    Key::new("ssl.keyStore.*", Property, Later(TLS_), Unread, "", "Key and certificate for clients.").secret(),
    Key::new("ssl.trustStore.*", Property, Later(TLS_), Unread, "", "Certificates clients are checked against.").secret(),
    Key::new("ssl.quorum.*", Property, Later(TLS_), Unread, "", "The same between servers.").secret(),
    Key::new("ssl.protocol", Property, Later(TLS_), Unread, "", "TLS version."),
    Key::new("ssl.enabledProtocols", Property, Later(TLS_), Unread, "", "TLS versions."),
    Key::new("ssl.ciphersuites", Property, Later(TLS_), Unread, "", "Cipher suites."),
    Key::new("ssl.context.supplier.class", Property, Later(TLS_), Unread, "", "Class of a TLS context."),
    Key::new("ssl.hostnameVerification", Property, Later(TLS_), Unread, "true", "Whether names are checked."),
    Key::new("ssl.clientHostnameVerification", Property, Later(TLS_), Unread, "false", "Whether client names are checked."),
    Key::new("ssl.allowReverseDnsLookup", Property, Later(TLS_), Unread, "false", "Whether addresses are looked up."),
    Key::new("ssl.crl", Property, Later(TLS_), Unread, "false", "Whether revocation lists are read."),
    Key::new("ssl.ocsp", Property, Later(TLS_), Unread, "false", "Whether revocation is asked for."),
    Key::new("ssl.clientAuth", Property, Later(TLS_), Unread, "need", "Whether clients need a certificate."),
    Key::new("ssl.authProvider", Property, Later(TLS_), Unread, "x509", "Scheme of client certificates."),
    Key::new("ssl.handshakeDetectionTimeoutMillis", Property, Later(TLS_), Unread, "5000", "Milliseconds."),
    Key::new("ssl.sslProvider", Property, Later(TLS_), Unread, "JDK", "TLS library."),
    Key::new("fips-mode", Property, Later(TLS_), Unread, "true", "Whether only FIPS algorithms are used."),
    Key::new("client.certReload", Property, Later(TLS_), Unread, "false", "Whether changed certificate files are read again."),
    Key::new("client.portUnification", Property, Later(TLS_), Unread, "false",
        "Whether the client port takes TLS as well."),
];

const PROVIDERS: &str = "org.apache.zookeeper.server.auth.";

fn provider(config: &mut Config, suffix: &str, value: &str) -> Result<(), Trouble> {
    config.auth.providers.push((suffix.to_owned(), value.to_owned()));
    match value.strip_prefix(PROVIDERS) {
        Some("DigestAuthenticationProvider" | "IPAuthenticationProvider") => Ok(()),
        Some(
            class @ ("SASLAuthenticationProvider"
            | "X509AuthenticationProvider"
            | "EnsembleAuthenticationProvider"
            | "KeyAuthenticationProvider"),
        ) => Err(Trouble::Doubt(format!(
            "{class} is not part of this version: nobody can authenticate with it"
        ))),
        _ => Err(Trouble::Wrong(
            "there is no such authentication provider here, and no way to load one".to_owned(),
        )),
    }
}

fn super_digest(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.auth.super_digest = Some(value.to_owned());
    let shaped = value.split_once(':').is_some_and(|(name, hash)| !name.is_empty() && !hash.is_empty());
    if shaped {
        Ok(())
    } else {
        Err(Trouble::Doubt("it matches nobody: it lacks the form name:hash".to_owned()))
    }
}

fn digest_algorithm(config: &mut Config, value: &str) -> Result<(), Trouble> {
    let Some(algorithm) = DigestAlgorithm::from_name(value) else {
        let text = format!("don't support this ACL digest algorithm: {value} in the current environment");
        return Err(Trouble::Wrong(text));
    };
    config.auth.digest_algorithm = algorithm;
    Ok(())
}

fn enforce_schemes(config: &mut Config, value: &str) -> Result<(), Trouble> {
    config.auth.enforce_schemes =
        value.split(',').map(str::trim).filter(|scheme| !scheme.is_empty()).map(str::to_owned).collect();
    Ok(())
}

/* What a configuration may say of TLS, and what is said of what it may not: names of suites,
 * groups and signatures, flags, providers, fingerprints. No connection is needed for any of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/macros.h"
#include "settings/load.h"
#include "settings/table.h"
#include "settings/tls_names.h"
#include "settings/value.h"
#include "unit.h"

/* One relay with these settings; NULL with a Failure. */
static Config *load(const char *first, const char *second, Failure *f)
{
    const char *const overrides[] = {"host=mail.test", "tls=implicit", first, second, NULL};
    Config *config = NULL;
    int r = config_load("/dev/null", overrides, &config, f);

    ck_assert(r == 0 || r == -EBADMSG);
    return r == 0 ? config : NULL;
}

static void check_taken(const char *first, const char *name, const char *formatted)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer text = {0};
    Config *config = load(first, NULL, &f);

    ck_assert_msg(config, "%s", failure_text(&f));
    ck_assert_int_eq(value_format(setting_find(SECTION_RELAYS, name), config->relays[0], &text), 0);
    ck_assert_int_eq(buffer_append(&text, "", 1), 0);
    ck_assert_str_eq(buffer_data(&text), formatted);
    (void)config_unref(config);
}

static void check_refused(const char *first, const char *second, const char *const *words)
{
    _cleanup_failure_ Failure f = {0};
    Config *config = load(first, second, &f);

    ck_assert_msg(!config, "%s was taken", first);
    ck_assert_int_eq(f.number, ERROR_CONFIGURATION);
    for (; *words; words++)
        ck_assert_msg(
            strstr(failure_text(&f), *words), "\"%s\" lacks \"%s\"", failure_text(&f), *words);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* SSLEnabledCipherSuites */
START_TEST(cipher_suites_are_known_by_either_name)
{
    static const char *const lists[] = {
        "TLS_AES_256_GCM_SHA384;TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256:TLS_CHACHA20_POLY1305_SHA256", "HIGH:!aNULL:@SECLEVEL=0",
        "ECDHE+AESGCM:-kRSA:@STRENGTH"};
    char setting[200];

    for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
        snprintf(setting, sizeof(setting), "SSLEnabledCipherSuites=%s", lists[i]);
        check_taken(setting, "tls_ciphers", lists[i]);
    }
    check_taken("SSLEnabledCipherSuites=*", "tls_ciphers", "");
}
END_TEST

START_TEST(a_misspelt_cipher_suite_is_told)
{
    check_refused("tls_ciphers=TLS_AES_256_GCM_SHA348", NULL,
        WORDS("tls_ciphers", "names \"TLS_AES_256_GCM_SHA348\"",
            "did you mean \"TLS_AES_256_GCM_SHA384\"?"));
    check_refused("tls_ciphers=HIGH:ECDHE-RSA-AES128-GCM-SHA265", NULL,
        WORDS("did you mean \"ECDHE-RSA-AES128-GCM-SHA256\"?"));
    check_refused("tls_ciphers=HIGH:!anul", NULL, WORDS("\"anul\"", "aNULL"));
    check_refused("tls_ciphers=ECDHE+AESGCN", NULL, WORDS("did you mean \"AESGCM\"?"));
    check_refused("tls_ciphers=TLS_RSA_WITH_RC4_128_MD5", NULL, WORDS("TLS_RSA_WITH_RC4_128_MD5"));
    check_refused("tls_ciphers=CALG_AES_256;CALG_3DES", NULL, WORDS("Windows"));
    check_refused("tls_ciphers=@SECLEVEL=9", NULL, WORDS("@SECLEVEL=9"));
}
END_TEST

/* TLS12SupportedGroups, TLS13SupportedGroups, TLS13KeyShareGroups */
START_TEST(groups_are_known_by_either_name)
{
    check_taken("TLS12SupportedGroups=ecdhe_secp256r1,ecdhe_secp384r1,ecdhe_secp521r1",
        "tls12_groups", "secp256r1 secp384r1 secp521r1");
    check_taken("TLS13SupportedGroups=ecdhe_x25519,ecdhe_x448,P-256,ffdhe_2048,ffdhe8192",
        "tls13_groups", "x25519 x448 secp256r1 ffdhe2048 ffdhe8192");
    check_taken(
        "TLS13KeyShareGroups=ecdhe_x25519,prime256v1", "tls13_key_shares", "x25519 secp256r1");
    check_refused("tls13_groups=x25591", NULL, WORDS("did you mean \"x25519\"?", "\"ffdhe2048\""));
    check_refused("tls12_groups=X25519MLKEM768", NULL, WORDS("X25519MLKEM768"));
    check_refused("tls13_groups=x25519 secp256r1", "tls13_key_shares=x448",
        WORDS("tls13_key_shares", "names x448, which tls13_groups leaves out"));
    check_refused("tls12_groups=secp256r1", "tls13_key_shares=x25519",
        WORDS("tls13_key_shares", "names x25519, which tls12_groups (and tls13_groups is not"));
}
END_TEST

/* TLS12SignatureAlgorithms, TLS13SignatureAlgorithms */
START_TEST(signatures_are_known_by_either_name)
{
    check_taken("TLS12SignatureAlgorithms=sha512-ecdsa,sha256-rsa,sha1-dsa,RSA-PSS+SHA256",
        "tls12_signature_algorithms",
        "ecdsa_secp521r1_sha512 rsa_pkcs1_sha256 dsa_sha1 rsa_pss_sha256");
    check_taken("TLS13SignatureAlgorithms=ed25519,ecdsa_secp256r1_sha256,rsa_pss_sha256",
        "tls13_signature_algorithms", "ed25519 ecdsa_secp256r1_sha256 rsa_pss_sha256");
    check_refused(
        "tls12_signature_algorithms=sha265-rsa", NULL, WORDS("did you mean \"sha256-rsa\"?"));
    check_refused("tls13_signature_algorithms=sha1-rsa", NULL, WORDS("sha1-rsa"));
}
END_TEST

/* SSLSecurityFlags */
START_TEST(flags_are_words_or_bits)
{
    check_taken(
        "SSLSecurityFlags=0x80000010", "tls_security_flags", "allow-unknown-authority ignore-name");
    check_taken("tls_security_flags=2147483649", "tls_security_flags", "ignore-time ignore-name");
    check_taken("tls_security_flags=ignore-name ignore-time", "tls_security_flags",
        "ignore-time ignore-name");
    check_taken("tls_security_flags=0", "tls_security_flags", "0");
    check_taken("tls_security_flags=0xf06", "tls_security_flags",
        "ignore-trust-list-time ignore-nesting ignore-unknown-revocation "
        "ignore-unknown-trust-list-revocation ignore-unknown-authority-revocation "
        "ignore-unknown-root-revocation");
    check_refused("tls_security_flags=0x4000", NULL, WORDS("Microsoft's", "tls_ca_file"));
    check_refused("tls_security_flags=allow-test-root", NULL, WORDS("Microsoft's"));
    check_refused("tls_security_flags=0x1000040", NULL, WORDS("0x1000040"));
    check_refused("tls_security_flags=ignore-tme", NULL, WORDS("did you mean \"ignore-time\"?"));
    check_refused("tls_security_flags=0x1ffffffff", NULL, WORDS("0x1ffffffff"));
}
END_TEST

/* libconfig has 31 bits for a number without an L. */
START_TEST(flags_are_read_from_a_file)
{
    char path[] = "/tmp/outbox-test-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    _cleanup_failure_ Failure f = {0};
    Config *config = NULL;

    fputs("relays = ({ host = \"mail.test\"; tls = \"implicit\"; tls_security_flags = 0x80000001; "
          "});\n",
        file);
    fclose(file);
    ck_assert_msg(config_load(path, NULL, &config, &f) == 0, "%s", failure_text(&f));
    ck_assert_uint_eq(config->relays[0]->tls_security_flags, 0x80000001U);
    (void)config_unref(config);
    (void)unlink(path);
}
END_TEST

/* SSLProvider */
START_TEST(providers_are_names)
{
    check_taken("SSLProvider=default legacy", "tls_provider", "default legacy");
    check_taken("SSLProvider=sslpInternal", "tls_provider", "");
    check_taken("SSLProvider=0", "tls_provider", "");
    check_refused("tls_provider=../../tmp/mine", NULL, WORDS("tls_provider", "no provider's name"));
}
END_TEST

/* SSLStartMode, SSLEnabled, ReuseSSLSession, SSLKeyLogFile, SSLCheckCRL, SSLCheckOCSP,
 * SSLEnabledProtocols, SSLEnableRenegotiation, LogSSLPackets, SSLIncludeCertChain */
START_TEST(modes_are_known_by_the_component_s_names)
{
    static const struct {
        const char *setting, *name, *formatted;
    } rows[] = {
        {"SSLStartMode=sslExplicit", "tls", "starttls"},
        {"SSLStartMode=1", "tls", "implicit"},
        {"SSLStartMode=sslNone", "tls", "none"},
        {"SSLEnabled=false", "tls", "none"},
        {"SSLEnabled=true", "tls", "implicit"}, /* which it was already */
        {"ReuseSSLSession=false", "tls_reuse_session", "false"},
        {"SSLKeyLogFile=/tmp/keys", "tls_key_log_file", "/tmp/keys"},
        {"SSLCheckCRL=1", "tls_check_crl", "try"},
        {"SSLCheckOCSP=2", "tls_check_ocsp", "require"},
        {"SSLCheckOCSP=0", "tls_check_ocsp", "off"},
        {"SSLEnabledProtocols=12288", "tls_protocols", "TLSv1.3"},
        {"SSLEnabledProtocols=15360", "tls_protocols", "TLSv1.2 TLSv1.3"},
        {"SSLEnableRenegotiation=true", "tls_renegotiation", "true"},
        {"LogSSLPackets=true", "tls_log_packets", "true"},
        {"SSLIncludeCertChain=false", "tls_include_chain", "false"},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        check_taken(rows[i].setting, rows[i].name, rows[i].formatted);
    check_refused("SSLStartMode=4", NULL, WORDS("tls", "\"starttls\""));
    check_refused("SSLCheckOCSP=3", NULL, WORDS("tls_check_ocsp", "\"require\""));
}
END_TEST

/* CACertFilePaths, SSLServerCACerts, SSLCACerts: the first that exists */
START_TEST(authorities_are_the_first_file_that_exists)
{
    check_taken(
        "CACertFilePaths=/nowhere/a.pem;/dev/null;/nowhere/b.pem", "tls_ca_file", "/dev/null");
    check_taken("SSLServerCACerts=/dev/null", "tls_ca_file", "/dev/null");
    check_taken("SSLCACerts=/dev/null", "tls_ca_file", "/dev/null");
    check_refused("CACertFilePaths=/nowhere/a.pem", NULL,
        WORDS("tls_ca_file", "\"/nowhere/a.pem\" does not exist"));
}
END_TEST

START_TEST(who_is_not_looked_at_is_not_asked_about)
{
    check_refused("tls_check_ocsp=try", "tls_verify=false", WORDS("tls_check_ocsp", "tls_verify"));
    check_refused("tls_check_crl=2", "tls_verify=false", WORDS("tls_check_crl", "tls_verify"));
    check_refused("tls_dane=try", "tls_verify=false", WORDS("tls_dane", "tls_verify"));
    check_refused("tls_dane=try", "tls=opportunistic", WORDS("tls_dane", "needs TLS"));
    check_refused("tls_dane=2", "tls=none", WORDS("tls_dane", "\"starttls\""));
    check_taken("tls_dane=2", "tls_dane", "require");
    check_refused("tls_crl_file=/dev/null", NULL, WORDS("tls_crl_file", "tls_check_crl"));
}
END_TEST

START_TEST(a_policy_needs_a_domain_and_tls_that_is_verified)
{
    check_refused("tls_mta_sts=try", "tls_verify=false", WORDS("tls_mta_sts", "tls_verify"));
    check_refused("tls_mta_sts=try", "tls=opportunistic", WORDS("tls_mta_sts", "needs TLS"));
    check_refused("tls_mta_sts=2", "tls_security_flags=0x1", WORDS("tls_mta_sts", "forgives"));
    check_refused("tls_mta_sts=2", "tls_mta_sts_domain=192.0.2.1",
        WORDS("tls_mta_sts_domain", "is an address"));
    check_refused(
        "tls_mta_sts=2", "tls_name=relay", WORDS("tls_mta_sts", "set tls_mta_sts_domain"));
    check_refused("tls_mta_sts_file=x", NULL, WORDS("tls_mta_sts_file", "no effect"));
    check_refused("tls_mta_sts_domain=a.test", NULL, WORDS("tls_mta_sts_domain", "no effect"));
}
END_TEST

START_TEST(what_is_asked_of_a_certificate_needs_one)
{
    static const char *const asked[] = {"tls_check_crl", "tls_check_ocsp"};
    char setting[40];

    for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
        snprintf(setting, sizeof(setting), "%s=require", asked[i]);
        check_refused(setting, "tls=none", WORDS(asked[i], "without TLS", "\"starttls\""));
        check_refused(setting, "tls=opportunistic", WORDS(asked[i], "takes any certificate"));
        check_taken(setting, asked[i], "require");
        snprintf(setting, sizeof(setting), "%s=try", asked[i]);
        check_taken(setting, asked[i], "try");
    }
    check_refused("tls_accept_certificate=/dev/null", "tls=none",
        WORDS("tls_accept_certificate", "without TLS"));
    check_refused("tls_accept_certificate=/dev/null", "tls=opportunistic",
        WORDS("tls_accept_certificate", "takes any certificate"));
}
END_TEST

/* The nearest of what there is; a word for either kind of TLS is neither. */
START_TEST(words_that_are_nearly_right_are_told)
{
    check_refused("tls=startls", NULL, WORDS("did you mean \"starttls\"?"));
    check_refused("tls=implict", NULL, WORDS("did you mean \"implicit\"?"));
    check_refused("auth=crammd5", NULL, WORDS("did you mean \"cram-md5\"?"));
    check_refused("auth=oauth2", NULL, WORDS("did you mean \"xoauth2\"?"));
    check_refused("tls=ssl", NULL, WORDS("\"ssl\"", "\"implicit\"", "465", "\"starttls\"", "587"));
    check_refused("tls=SMTPS", NULL, WORDS("\"implicit\"", "\"starttls\""));
}
END_TEST

START_TEST(a_try_without_tls_is_noticed)
{
    static const char *const asked[] = {"tls_check_crl", "tls_check_ocsp"};

    for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
        _cleanup_failure_ Failure f = {0};
        char setting[40];
        Config *config;

        snprintf(setting, sizeof(setting), "%s=try", asked[i]);
        config = load("tls=none", setting, &f);
        ck_assert_msg(config, "%s", failure_text(&f));
        ck_assert_ptr_nonnull(strstr(config->notices, asked[i]));
        ck_assert_ptr_nonnull(strstr(config->notices, "has no effect without TLS"));
        (void)config_unref(config);
    }
}
END_TEST

/* A password that would be shown is never said, and mail would wait for it for ever. */
START_TEST(a_login_that_would_be_shown_needs_tls)
{
    static const char *const showing[] = {"plain", "login"};
    static const char *const clear[] = {"auth_without_tls=yes, in clear", "tls=starttls"};

    for (size_t i = 0; i < ELEMENTSOF(showing); i++) {
        const char *overrides[] = {
            "host=mail.test", "user=ann", "password_command=true", "tls=none", NULL, NULL, NULL};
        char auth[20];
        _cleanup_failure_ Failure f = {0};
        Config *config = NULL;

        snprintf(auth, sizeof(auth), "auth=%s", showing[i]);
        overrides[4] = auth;
        ck_assert_int_eq(config_load("/dev/null", overrides, &config, &f), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(failure_text(&f), "would show the password"));
        overrides[5] = clear[i];
        ck_assert_msg(
            config_load("/dev/null", overrides, &config, &f) == 0, "%s", failure_text(&f));
        (void)config_unref(config);
    }
}
END_TEST

START_TEST(addresses_and_ports_are_some)
{
    static const char *const numbers[] = {"300.1.1.1", "1.2.3.4.5", "192.0.2.256"};
    char setting[60];

    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        snprintf(setting, sizeof(setting), "local_host=%s", numbers[i]);
        check_refused(setting, NULL, WORDS("local_host", numbers[i], "is no address"));
        snprintf(setting, sizeof(setting), "host=%s", numbers[i]);
        check_refused(setting, NULL, WORDS(numbers[i], "is no address"));
    }
    check_taken("local_host=127.1", "local_host", "127.1");
    check_refused(
        "oauth_token_url=https://login.test:99999/t", NULL, WORDS("oauth_token_url", "port"));
    check_refused("oauth_token_url=https://login.test:x/t", NULL, WORDS("port", "65535"));
    check_refused("oauth_token_url=https://[::1]:0/t", NULL, WORDS("port"));
    check_refused("oauth_token_url=https://login.test:/t", NULL, WORDS("port"));
}
END_TEST

START_TEST(a_certificate_is_not_shown_without_tls)
{
    _cleanup_failure_ Failure f = {0};
    Config *config = load("tls=none", "tls_certificate=/dev/null", &f);

    ck_assert_msg(config, "%s", failure_text(&f));
    ck_assert_str_eq(config->notices,
        "--set relays.mail.test:25.tls_certificate: has no effect without TLS: it is not shown");
    (void)config_unref(config);
}
END_TEST

/* A certificate's pattern is held against a name, and not the other way round. */
START_TEST(the_name_in_the_certificate_is_a_host_s)
{
    check_refused("tls_name=*.example", NULL, WORDS("tls_name", "is not a host name"));
    check_taken("tls_name=mail.example", "tls_name", "mail.example");
}
END_TEST

/* SSLCipherStrength, SSLClientCACerts */
START_TEST(numbers_and_files_are_checked)
{
    check_taken("SSLCipherStrength=128", "tls_cipher_strength", "128");
    check_refused("tls_cipher_strength=257", NULL, WORDS("tls_cipher_strength", "0 to 256"));
    check_refused(
        "SSLClientCACerts=/dev/null", NULL, WORDS("tls_client_ca_file", "tls_certificate"));
}
END_TEST

#define HEX "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define BASE64 "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="

/* SSLAcceptServerCert */
START_TEST(pins_are_fingerprints_or_files)
{
    check_taken("SSLAcceptServerCert=" HEX "; sha256//" BASE64 ";SHA256:" HEX ";" BASE64,
        "tls_accept_certificate", HEX ";sha256//" BASE64 ";SHA256:" HEX ";" BASE64);
    check_taken("SSLAcceptServerCert=/dev/null;" HEX, "tls_accept_certificate", "/dev/null;" HEX);
    check_refused("SSLAcceptServerCert=" HEX ";/nowhere/relay.pem", NULL,
        WORDS("tls_accept_certificate", "\"/nowhere/relay.pem\" does not exist"));
    check_refused("SSLAcceptServerCert=sha256//AAAA", NULL, WORDS("sha256//AAAA"));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("settings tls");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, cipher_suites_are_known_by_either_name);
    tcase_add_test(tests, a_misspelt_cipher_suite_is_told);
    tcase_add_test(tests, groups_are_known_by_either_name);
    tcase_add_test(tests, signatures_are_known_by_either_name);
    tcase_add_test(tests, flags_are_words_or_bits);
    tcase_add_test(tests, flags_are_read_from_a_file);
    tcase_add_test(tests, providers_are_names);
    tcase_add_test(tests, modes_are_known_by_the_component_s_names);
    tcase_add_test(tests, authorities_are_the_first_file_that_exists);
    tcase_add_test(tests, who_is_not_looked_at_is_not_asked_about);
    tcase_add_test(tests, a_policy_needs_a_domain_and_tls_that_is_verified);
    tcase_add_test(tests, what_is_asked_of_a_certificate_needs_one);
    tcase_add_test(tests, a_certificate_is_not_shown_without_tls);
    tcase_add_test(tests, words_that_are_nearly_right_are_told);
    tcase_add_test(tests, a_try_without_tls_is_noticed);
    tcase_add_test(tests, a_login_that_would_be_shown_needs_tls);
    tcase_add_test(tests, addresses_and_ports_are_some);
    tcase_add_test(tests, the_name_in_the_certificate_is_a_host_s);
    tcase_add_test(tests, numbers_and_files_are_checked);
    tcase_add_test(tests, pins_are_fingerprints_or_files);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}

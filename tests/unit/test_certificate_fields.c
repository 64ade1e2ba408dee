/* What a certificate says: each field by the component's name, against what openssl(1), ssh-keygen
 * and the component's own examples have. */
#include <openssl/x509v3.h>
#include <time.h>

#include "certificate_files.h"

typedef struct Field {
    CertificateField field;
    const char *name, *text;
} Field;

/* Certificate.EffectiveDate, Certificate.ExpirationDate, Certificate.ExtendedKeyUsage,
 * Certificate.Issuer, Certificate.PublicKeyAlgorithm, Certificate.PublicKeyLength,
 * Certificate.SerialNumber, Certificate.SignatureAlgorithm, Certificate.SubjectAltNames,
 * Certificate.Usage, Certificate.UsageFlags, Certificate.Version, Certificate.Subject,
 * Certificate.PrivateKeyAvailable, Certificate.PrivateKeyContainer. */
static const Field of_certificate[] = {
    {CERTIFICATE_EFFECTIVE_DATE, "EffectiveDate", "01-Jan-2020 00:00:00"},
    {CERTIFICATE_EXPIRATION_DATE, "ExpirationDate", "31-Dec-2049 23:59:59"},
    {CERTIFICATE_EXTENDED_KEY_USAGE, "ExtendedKeyUsage", "1.3.6.1.5.5.7.3.2,1.3.6.1.5.5.7.3.4"},
    {CERTIFICATE_ISSUER, "Issuer", "CN=Test Middle"},
    {CERTIFICATE_PRIVATE_KEY_CONTAINER, "PrivateKeyContainer", ""},
    {CERTIFICATE_PUBLIC_KEY_ALGORITHM, "PublicKeyAlgorithm", "RSA"},
    {CERTIFICATE_SERIAL_NUMBER, "SerialNumber", "A1B2C5"},
    {CERTIFICATE_SIGNATURE_ALGORITHM, "SignatureAlgorithm", "ecdsa-with-SHA256"},
    {CERTIFICATE_SUBJECT_ALT_NAMES, "SubjectAltNames",
        "client.test,192.0.2.7,2001:db8::7,ann@example.com,https://client.test/"},
    {CERTIFICATE_USAGE, "Usage", "Digital Signature,Key Encipherment"},
    {CERTIFICATE_VERSION, "Version", "V3"},
    {CERTIFICATE_SUBJECT, "Subject",
        "E=ann@example.com, CN=rsa client, O=\"Example, Inc.\", S=Wien, C=AT"},
    {CERTIFICATE_PRIVATE_KEY_AVAILABLE, "PrivateKeyAvailable", "0"},
    {CERTIFICATE_PUBLIC_KEY_LENGTH, "PublicKeyLength", "2048"},
    {CERTIFICATE_STORE_TYPE, "StoreType", "8"},
    {CERTIFICATE_USAGE_FLAGS, "UsageFlags", "160"},
};

static void use_utc(void)
{
    ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
    tzset();
}

START_TEST(a_certificate_says_what_it_is)
{
    _cleanup_certificate_ Certificate *c = load_file("rsa.pem", NULL);

    use_utc();
    for (size_t i = 0; i < ELEMENTSOF(of_certificate); i++) {
        ck_assert_str_eq(certificate_field_name(of_certificate[i].field), of_certificate[i].name);
        check_text(c, of_certificate[i].field, of_certificate[i].text);
    }
}
END_TEST

/* The date is localized to the system's time zone. */
START_TEST(dates_are_local)
{
    _cleanup_certificate_ Certificate *c = load_file("rsa.pem", NULL);

    ck_assert_int_eq(setenv("TZ", "XYZ-5:30", 1), 0);
    tzset();
    check_text(c, CERTIFICATE_EFFECTIVE_DATE, "01-Jan-2020 05:30:00");
    check_text(c, CERTIFICATE_EXPIRATION_DATE, "01-Jan-2050 05:29:59");
}
END_TEST

/* What a command prints, without its line end. */
static void run(char *out, size_t size, const char *before, const char *path, const char *behind)
{
    char command[PATH_MAX + 200];
    FILE *pipe;

    snprintf(command, sizeof(command), "%s '%s' %s", before, path, behind);
    pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    ck_assert_ptr_nonnull(fgets(out, (int)size, pipe));
    ck_assert_int_eq(pclose(pipe), 0);
    out[strcspn(out, "\n")] = '\0';
}

/* Certificate.Fingerprint, Certificate.FingerprintSHA1, Certificate.FingerprintSHA256, and without
 * colons Certificate.ThumbprintMD5, Certificate.ThumbprintSHA1, Certificate.ThumbprintSHA256: the
 * hash of the DER. */
START_TEST(fingerprints_are_those_of_the_certificate)
{
    static const struct {
        const char *hash;
        CertificateField thumbprint, fingerprint;
    } kinds[] = {{"md5sum", CERTIFICATE_THUMBPRINT_MD5, CERTIFICATE_FINGERPRINT},
        {"sha1sum", CERTIFICATE_THUMBPRINT_SHA1, CERTIFICATE_FINGERPRINT_SHA1},
        {"sha256sum", CERTIFICATE_THUMBPRINT_SHA256, CERTIFICATE_FINGERPRINT_SHA256}};
    _cleanup_certificate_ Certificate *c = load_file("rsa.pem", NULL);

    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        char expected[200], colons[300] = "";

        run(expected, sizeof(expected), kinds[i].hash, data_file("rsa.der"),
            "| cut -d' ' -f1 | tr a-f A-F");
        check_text(c, kinds[i].thumbprint, expected);
        for (size_t k = 0; expected[k]; k++) {
            if (k > 0 && k % 2 == 0)
                strcat(colons, ":");
            colons[strlen(colons)] = (char)(expected[k] >= 'A' ? expected[k] + 32 : expected[k]);
        }
        check_text(c, kinds[i].fingerprint, colons);
    }
}
END_TEST

/* Of a key alone they are SSH's: `ssh-keygen -l -E md5 -f FILE` says so of the same files. */
START_TEST(a_key_alone_has_the_fingerprint_of_ssh)
{
    static const struct {
        const char *name, *algorithm, *bits;
    } keys[] = {{"rsa", "RSA", "2048"}, {"ec", "EC", "256"}, {"ed25519", "ED25519", "256"}};

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        char file[64], expected[200];
        _cleanup_certificate_ Certificate *key = NULL;

        snprintf(file, sizeof(file), "%s.ssh.pub", keys[i].name);
        run(expected, sizeof(expected), "cut -d' ' -f2", data_file(file),
            "| base64 -d | md5sum | cut -c1-32 | sed 's/../&:/g; s/:$//'");
        snprintf(file, sizeof(file), "%s.key", keys[i].name);
        key = load_file(file, NULL);
        check_text(key, CERTIFICATE_FINGERPRINT, expected);
        check_text(key, CERTIFICATE_PUBLIC_KEY_ALGORITHM, keys[i].algorithm);
        check_text(key, CERTIFICATE_PUBLIC_KEY_LENGTH, keys[i].bits);
        check_text(key, CERTIFICATE_SUBJECT, "");
        check_text(key, CERTIFICATE_ISSUER, "");
        check_text(key, CERTIFICATE_EFFECTIVE_DATE, "");
        check_text(key, CERTIFICATE_VERSION, "");
        check_text(key, CERTIFICATE_ENCODED, "");
        check_text(key, CERTIFICATE_USAGE_FLAGS, "0");
        check_text(key, CERTIFICATE_PRIVATE_KEY_AVAILABLE, "1");
    }
}
END_TEST

/* Certificate.PublicKey, Certificate.Encoded and Certificate.EncodedB: what is in the files. */
START_TEST(what_is_exported_is_what_is_in_the_file)
{
    static const char *const names[] = {"rsa", "ec", "ed25519"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        char file[64], text[8192] = "";
        _cleanup_certificate_ Certificate *c = NULL, *again = NULL;
        _cleanup_free_
        unsigned char *der = NULL;
        const unsigned char *p;
        size_t n;
        X509 *x509;
        FILE *stream;

        snprintf(file, sizeof(file), "%s.pem", names[i]);
        c = load_file(file, NULL);
        stream = fopen(data_file(file), "r");
        ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, stream), 0);
        fclose(stream);
        check_text(c, CERTIFICATE_ENCODED, text);
        snprintf(file, sizeof(file), "%s.pub.pem", names[i]);
        stream = fopen(data_file(file), "r");
        n = fread(text, 1, sizeof(text) - 1, stream);
        text[n] = '\0';
        fclose(stream);
        check_text(c, CERTIFICATE_PUBLIC_KEY, text);
        ck_assert_int_eq(certificate_encoded(c, &der, &n), 0);
        p = der;
        x509 = d2i_X509(NULL, &p, (long)n);
        ck_assert_int_eq(X509_cmp(x509, certificate_x509(c)), 0);
        X509_free(x509);
        ck_assert_int_eq(certificate_parse(der, n, &again, NULL), 0);
        check_same_key(c, again);
    }
}
END_TEST

/* ---- names ---- */

static X509 *make_x509(void)
{
    X509 *x509 = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");

    ck_assert(x509 && key);
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    EVP_PKEY_free(key);
    return x509;
}

static void add(X509 *x509, const char *field, const char *value, int n, int set)
{
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), field, MBSTRING_UTF8,
                         (const unsigned char *)value, n, -1, set),
        1);
}

START_TEST(names_are_quoted_and_escaped)
{
    X509 *x509 = make_x509();
    _cleanup_certificate_ Certificate *c = NULL;

    add(x509, "C", "US", -1, 0);
    add(x509, "O", "a \"b\"", -1, 0);
    add(x509, "OU", " blank ", -1, 0);
    add(x509, "OU", "line\nend\x1b[31m", -1, 0);
    add(x509, "CN", "J\xc3\xbcrgen", -1, 0);
    add(x509, "UID", "ann", -1, -1);
    add(x509, "1.2.3.4", "x+y", -1, 0);
    add(x509, "CN", "good.test\0.evil.test", 20, 0);
    c = certificate_from_x509(x509, NULL);
    check_text(c, CERTIFICATE_SUBJECT,
        "CN=good.test\\00.evil.test, 1.2.3.4=\"x+y\", CN=J\xc3\xbcrgen + UID=ann, "
        "OU=line\\0Aend\\1B[31m, OU=\" blank \", O=\"a \"\"b\"\"\", C=US");
    X509_free(x509);
}
END_TEST

START_TEST(alternative_names_hold_no_control)
{
    X509 *x509 = make_x509();
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    _cleanup_certificate_ Certificate *c = NULL;

    ck_assert_int_eq(ASN1_STRING_set(text, "a\0b\x07\xff", 5), 1);
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    ck_assert_int_gt(sk_GENERAL_NAME_push(names, name), 0);
    ck_assert_int_eq(X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0), 1);
    GENERAL_NAMES_free(names);
    c = certificate_from_x509(x509, NULL);
    check_text(c, CERTIFICATE_SUBJECT_ALT_NAMES, "a\\00b\\07\\FF");
    X509_free(x509);
}
END_TEST

/* Whatever is missing in a certificate, each field is a text. */
START_TEST(a_bare_certificate_has_empty_fields)
{
    X509 *x509 = X509_new();
    _cleanup_certificate_ Certificate *c = certificate_from_x509(x509, NULL), *other = NULL;

    for (int i = 0; i < CERTIFICATE_FIELD_MAX; i++) {
        _cleanup_free_
        char *text = certificate_text(c, (CertificateField)i);

        ck_assert_ptr_nonnull(text);
        ck_assert_ptr_nonnull(certificate_field_name((CertificateField)i));
    }
    check_text(c, CERTIFICATE_SUBJECT, "");
    check_text(c, CERTIFICATE_USAGE, "");
    ck_assert_ptr_null(certificate_private_key(c));
    ck_assert_ptr_null(certificate_chain_get(c, 0));
    other = certificate_ref(c);
    ck_assert_ptr_eq(other, c);
    X509_free(x509);
}
END_TEST

START_TEST(a_chain_is_a_list_of_certificates)
{
    _cleanup_certificate_ Certificate *c = load_file("rsa.p7b", NULL);
    _cleanup_certificate_ Certificate *issuer = certificate_chain_get(c, 0);

    ck_assert_uint_eq(certificate_chain_length(c), 1);
    check_text(issuer, CERTIFICATE_SUBJECT, "CN=Test Middle");
    check_text(issuer, CERTIFICATE_USAGE, "Certificate Signing,CRL Signing");
    check_text(issuer, CERTIFICATE_USAGE_FLAGS, "6");
    check_text(issuer, CERTIFICATE_EXTENDED_KEY_USAGE, "");
    ck_assert_ptr_null(certificate_chain_get(c, 1));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("certificate fields");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, a_certificate_says_what_it_is);
    tcase_add_test(tests, dates_are_local);
    tcase_add_test(tests, fingerprints_are_those_of_the_certificate);
    tcase_add_test(tests, a_key_alone_has_the_fingerprint_of_ssh);
    tcase_add_test(tests, what_is_exported_is_what_is_in_the_file);
    tcase_add_test(tests, names_are_quoted_and_escaped);
    tcase_add_test(tests, alternative_names_hold_no_control);
    tcase_add_test(tests, a_bare_certificate_has_empty_fields);
    tcase_add_test(tests, a_chain_is_a_list_of_certificates);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}

/* The types of stores by name. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "certificate/certificate.h"

static const struct {
    CertificateStoreType type;
    const char *name;
} names[] = {
    {CERTIFICATE_USER, "cstUser"},
    {CERTIFICATE_MACHINE, "cstMachine"},
    {CERTIFICATE_PFX_FILE, "cstPFXFile"},
    {CERTIFICATE_PFX_BLOB, "cstPFXBlob"},
    {CERTIFICATE_JKS_FILE, "cstJKSFile"},
    {CERTIFICATE_JKS_BLOB, "cstJKSBlob"},
    {CERTIFICATE_PEM_KEY_FILE, "cstPEMKeyFile"},
    {CERTIFICATE_PEM_KEY_BLOB, "cstPEMKeyBlob"},
    {CERTIFICATE_PUBLIC_KEY_FILE, "cstPublicKeyFile"},
    {CERTIFICATE_PUBLIC_KEY_BLOB, "cstPublicKeyBlob"},
    {CERTIFICATE_SSH_PUBLIC_KEY_BLOB, "cstSSHPublicKeyBlob"},
    {CERTIFICATE_P7B_FILE, "cstP7BFile"},
    {CERTIFICATE_P7B_BLOB, "cstP7BBlob"},
    {CERTIFICATE_SSH_PUBLIC_KEY_FILE, "cstSSHPublicKeyFile"},
    {CERTIFICATE_PPK_FILE, "cstPPKFile"},
    {CERTIFICATE_PPK_BLOB, "cstPPKBlob"},
    {CERTIFICATE_XML_FILE, "cstXMLFile"},
    {CERTIFICATE_XML_BLOB, "cstXMLBlob"},
    {CERTIFICATE_JWK_FILE, "cstJWKFile"},
    {CERTIFICATE_JWK_BLOB, "cstJWKBlob"},
    {CERTIFICATE_BCFKS_FILE, "cstBCFKSFile"},
    {CERTIFICATE_BCFKS_BLOB, "cstBCFKSBlob"},
    {CERTIFICATE_PKCS11, "cstPKCS11"},
    {CERTIFICATE_AUTO, "cstAuto"},
};

const char *certificate_store_type_name(CertificateStoreType type)
{
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (names[i].type == type)
            return names[i].name;
    return NULL;
}

bool certificate_store_type_find(const char *text, CertificateStoreType *ret)
{
    char *end;
    long number = strtol(text, &end, 10);

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (text_equal_nocase(names[i].name, text) ||
            text_equal_nocase(names[i].name + strlen("cst"), text) ||
            (text[0] != '\0' && *end == '\0' && number == (long)names[i].type)) {
            *ret = names[i].type;
            return true;
        }
    return false;
}

#!/usr/bin/python3
"""Made the files beside it, which tests read: certificates until 2049 and keys, which are for nothing else.
Each pass-phrase is "sesame". Run in an empty directory it makes others of the same kind, with openssl,
ssh-keygen, puttygen (putty-tools) and python3-cryptography."""

import base64
import json
import pathlib
import subprocess
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))

from certificates import Signer  # noqa: E402

DESCRIBED = """
[described]
basicConstraints = CA:FALSE
keyUsage = digitalSignature,keyEncipherment
extendedKeyUsage = clientAuth,1.3.6.1.5.5.7.3.4
subjectAltName = DNS:client.test,IP:192.0.2.7,IP:2001:db8::7,email:ann@example.com,URI:https://client.test/
"""
signer = Signer(".", "00A1B2C3", DESCRIBED)
openssl = signer.openssl


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


def number(value, size=None):
    data = value.to_bytes(size or (value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def load(name):
    return serialization.load_pem_private_key(pathlib.Path(f"{name}.key").read_bytes(), None)


def jwk_of(name, private):
    key = load(name)
    if isinstance(key, rsa.RSAPrivateKey):
        n = key.private_numbers()
        public = {"kty": "RSA", "n": number(n.public_numbers.n), "e": number(n.public_numbers.e)}
        secret = {"d": number(n.d), "p": number(n.p), "q": number(n.q), "dp": number(n.dmp1),
                  "dq": number(n.dmq1), "qi": number(n.iqmp)}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        n = key.private_numbers()
        public = {"kty": "EC", "crv": "P-256", "x": number(n.public_numbers.x, 32), "y": number(n.public_numbers.y, 32)}
        secret = {"d": number(n.private_value, 32)}
    else:
        raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        x = int.from_bytes(key.public_key().public_bytes(*raw), "big")
        d = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        public = {"kty": "OKP", "crv": "Ed25519", "x": number(x, 32)}
        secret = {"d": number(int.from_bytes(d, "big"), 32)}
    return {**public, **(secret if private else {})}


def xml_of(name, private):
    jwk = jwk_of(name, private)
    names = {"n": "Modulus", "e": "Exponent", "p": "P", "q": "Q", "dp": "DP", "dq": "DQ", "qi": "InverseQ", "d": "D"}
    parts = ""
    for member, element in names.items():
        if member in jwk:
            data = base64.urlsafe_b64decode(jwk[member] + "==")
            parts += f"<{element}>{base64.b64encode(data).decode()}</{element}>"
    return f"<RSAKeyValue>{parts}</RSAKeyValue>\n"


def keys():
    openssl("genrsa", "-out", "rsa.key", "2048")
    for name in ("ca", "middle", "ec"):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")
    openssl("genpkey", "-algorithm", "ed25519", "-out", "ed25519.key")


def certificates():
    signer.sign("ca", "authority", "/CN=Test Authority", None)
    signer.sign("middle", "authority", "/CN=Test Middle", "ca")
    for name in ("rsa", "ec", "ed25519"):
        subject = f"/C=AT/ST=Wien/O=Example, Inc./CN={name} client/emailAddress=ann@example.com"
        signer.sign(name, "described", subject, "middle")


def encodings():
    password = ("-passout", "pass:sesame")
    for name in ("rsa", "ec", "ed25519"):
        openssl("pkcs8", "-topk8", "-in", f"{name}.key", "-out", f"{name}-encrypted.key", *password)
        openssl("pkcs12", "-export", "-inkey", f"{name}.key", "-in", f"{name}.pem", "-certfile", "middle.pem",
                "-out", f"{name}.p12", *password)
        openssl("pkey", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub.pem")
    openssl("pkcs12", "-export", "-inkey", "rsa.key", "-in", "rsa.pem", "-certfile", "middle.pem", "-legacy",
            "-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-3DES", "-out", "rsa-old.p12", *password)
    openssl("pkcs12", "-export", "-inkey", "ec.key", "-in", "ec.pem", "-nomac", "-keypbe", "NONE", "-certpbe", "NONE",
            "-out", "ec-open.p12", "-passout", "pass:")
    openssl("pkcs8", "-topk8", "-in", "rsa.key", "-out", "rsa-des.key", "-v1", "PBE-MD5-DES", "-provider", "legacy",
            "-provider", "default", *password)
    openssl("pkcs8", "-topk8", "-in", "rsa.key", "-out", "rsa-scrypt.key", "-scrypt", *password)
    openssl("rsa", "-in", "rsa.key", "-traditional", "-out", "rsa-traditional.key")
    openssl("rsa", "-in", "rsa.key", "-traditional", "-aes128", "-out", "rsa-dek.key", *password)
    openssl("ec", "-in", "ec.key", "-out", "ec-traditional.key")
    openssl("pkey", "-in", "ec.key", "-outform", "DER", "-out", "ec.key.der")
    openssl("x509", "-in", "rsa.pem", "-outform", "DER", "-out", "rsa.der")
    openssl("crl2pkcs7", "-nocrl", "-certfile", "rsa.pem", "-certfile", "middle.pem", "-out", "rsa.p7b")
    openssl("crl2pkcs7", "-nocrl", "-certfile", "rsa.pem", "-certfile", "middle.pem", "-outform", "DER",
            "-out", "rsa.p7b.der")


def ssh():
    for name in ("rsa", "ec", "ed25519"):
        key = load(name)
        pathlib.Path(f"{name}.ssh").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()))
        pathlib.Path(f"{name}.ssh").chmod(0o600)
        with open(f"{name}.ssh.pub", "wb") as file:
            subprocess.run(["ssh-keygen", "-y", "-f", f"{name}.ssh"], check=True, stdout=file)
        with open(f"{name}.ssh2", "wb") as file:
            subprocess.run(["ssh-keygen", "-e", "-f", f"{name}.ssh.pub"], check=True, stdout=file)
        for version in ("2", "3"):
            parameters = ("-O", "private", "--ppk-param", f"version={version},memory=256,passes=2")
            pathlib.Path("password").write_text("sesame\n", encoding="ascii")
            run("puttygen", f"{name}.ssh", *parameters, "-o", f"{name}-{version}.ppk")
            run("puttygen", f"{name}.ssh", *parameters, "-o", f"{name}-{version}-encrypted.ppk", "-P",
                "--new-passphrase", "password")
    encrypted_ssh()


def encrypted_ssh():
    """Each cipher, each kind of key, and some numbers of rounds."""
    ciphers = ("aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-cbc", "aes192-cbc", "aes256-cbc", "aes128-gcm@openssh.com",
               "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "3des-cbc")
    files = [("ed25519", cipher.split("@")[0], cipher, "1") for cipher in ciphers]
    files += [("rsa", "16", "aes256-ctr", "16"), ("ec", "100", "chacha20-poly1305@openssh.com", "100")]
    for name, label, cipher, rounds in files:
        run("cp", f"{name}.ssh", f"{name}-{label}.ssh")
        run("ssh-keygen", "-p", "-Z", cipher, "-a", rounds, "-N", "sesame", "-f", f"{name}-{label}.ssh")


def texts():
    for name in ("rsa", "ec", "ed25519"):
        pathlib.Path(f"{name}.jwk").write_text(json.dumps(jwk_of(name, True)) + "\n", encoding="ascii")
        pathlib.Path(f"{name}.pub.jwk").write_text(json.dumps(jwk_of(name, False)) + "\n", encoding="ascii")
    chain = []
    for name in ("ec", "middle"):
        lines = pathlib.Path(f"{name}.pem").read_text(encoding="ascii").splitlines()
        chain.append("".join(line for line in lines if "-----" not in line))
    pathlib.Path("set.jwk").write_text(
        json.dumps({"keys": [jwk_of("rsa", False), {**jwk_of("ec", True), "x5c": chain}]}, indent=1), encoding="ascii")
    pathlib.Path("rsa.xml").write_text(xml_of("rsa", True), encoding="ascii")
    pathlib.Path("rsa.pub.xml").write_text('<?xml version="1.0"?>\n<!-- a key -->\n' + xml_of("rsa", False), encoding="ascii")


def main():
    keys()
    certificates()
    encodings()
    ssh()
    texts()
    for pattern in ("*.csr", "index.txt*", "serial*", "openssl.cnf", "password", "[0-9A-F]*.pem"):
        for path in pathlib.Path(".").glob(pattern):
            path.unlink()


main()

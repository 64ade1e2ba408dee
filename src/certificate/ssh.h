/* Keys as SSH writes them (RFC 4253, 6.6; RFC 5656; RFC 8709), and the wire format that PuTTY's
 * files are made of, too. */
#pragma once

#include "certificate/bag.h"

/* Reads fields one after the other; what is not there is empty, and `bad` from then on. */
typedef struct SshReader {
    Bytes rest;
    bool bad;
} SshReader;

Bytes ssh_read_string(SshReader *reader);
unsigned ssh_read_number(SshReader *reader);

/* What follows the name of the algorithm in a public key, and which it was. */
typedef struct SshPublic {
    const char *curve;   /* OpenSSL's name, of ECDSA; else NULL */
    const char *edwards; /* "ED25519", "ED448", or NULL */
    Bytes e, n;          /* of RSA */
    Bytes point;         /* of the others */
} SshPublic;

/* 0, -EOPNOTSUPP for an algorithm that no TLS server takes, or -EBADMSG, both with a Failure. */
int ssh_parse_public(Bytes blob, SshPublic *ret, Failure *f);
int ssh_make_public(const SshPublic *public, EVP_PKEY **ret, Failure *f);

/* RFC 4253, 6.6: the public half of a key. -EOPNOTSUPP for a kind that SSH does not know. */
int ssh_format_public(EVP_PKEY *key, Octets *ret);

/* Whether it begins as one. */
bool ssh_is_line(Bytes data);    /* "ssh-rsa AAAA... comment", lines of them */
bool ssh_is_rfc4716(Bytes data); /* "---- BEGIN SSH2 PUBLIC KEY ----" */
bool ssh_is_blob(Bytes data);

/* Into the bag. 0, or a negative errno with a Failure. */
int ssh_read_lines(Bytes data, Bag *bag, Failure *f);
int ssh_read_rfc4716(Bytes data, Bag *bag, Failure *f);
int ssh_read_blob(Bytes data, Bag *bag, Failure *f);

/* The next private key of a list of OpenSSH's, without its comment. 0, or as above. */
int ssh_make_private(SshReader *reader, EVP_PKEY **ret, Failure *f);

/* What is within "BEGIN OPENSSH PRIVATE KEY" (openssh/PROTOCOL.key), encrypted or not. */
int ssh_read_private(Bytes data, Bag *bag, Failure *f);

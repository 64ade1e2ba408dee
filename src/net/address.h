/* Socket addresses in words. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/* "unix:" and a path of 107 bytes, or "[" IPv6 with scope "]:65535", and a NUL. */
#define ADDRESS_TEXT_MAX 128

socklen_t address_size(const struct sockaddr_storage *address);

/* The socket of this machine at that path, which fits. */
void address_set_unix(const char *path, struct sockaddr_storage *ret);

/* "192.0.2.1", "2001:db8::1%eth0" or "unix:/path"; "" for another family. Returns `text`. */
char *address_format_host(
    const struct sockaddr_storage *address, char text[static ADDRESS_TEXT_MAX]);

/* "192.0.2.1:587", "[2001:db8::1]:587" or "unix:/path". Returns `text`. */
char *address_format(const struct sockaddr_storage *address, char text[static ADDRESS_TEXT_MAX]);

/* The form that EHLO takes when a host has no name: "[192.0.2.1]" or "[IPv6:2001:db8::1]"
 * (RFC 5321, 4.1.3); over a socket of this machine, its own. Returns `text`. */
char *address_format_literal(
    const struct sockaddr_storage *address, char text[static ADDRESS_TEXT_MAX]);

/* 0.0.0.0 or ::, which no server has. */
bool address_is_unspecified(const struct sockaddr_storage *address);

bool address_is_loopback(const struct sockaddr_storage *address);

/* The characters of an atom: atext (RFC 5322, 3.2.3), and every byte above 127 (RFC 6532). */
#pragma once

#include <stdbool.h>

static inline bool is_atext(char c)
{
    switch (c) {
    case 'a' ... 'z':
    case 'A' ... 'Z':
    case '0' ... '9':
    case '!':
    case '#' ... '\'':
    case '*':
    case '+':
    case '-':
    case '/':
    case '=':
    case '?':
    case '^' ... '`':
    case '{' ... '~': return true;
    default: return (unsigned char)c >= 0x80;
    }
}

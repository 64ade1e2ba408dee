/* Blocks of memory that are in use, of everything in this process. */
#pragma once

/* 0 always where a sanitizer has the allocator: it finds what is not given back itself. */
long memory_live(void);

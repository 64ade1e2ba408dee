/* Blocks of memory that are in use, of everything in this process. */
#pragma once

/* 0 always where a sanitizer has the allocator: it finds what is not given back itself. */
long memory_live(void);

/* So many of them are not counted any more: they are kept for other runs. */
void memory_adopt(long blocks);

/* options.h: commands with options: SET, GETEX, EXPIRE and SCAN; and the errors they share with others. */
#ifndef CACHE_OPTIONS_H
#define CACHE_OPTIONS_H

extern const char option_not_an_integer[]; /* whole replies */
extern const char option_syntax_error[];

#endif

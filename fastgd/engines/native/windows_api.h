/* What Windows declares, without the macros that take names such as `small`, `min` and `far` from C that comes after. */
#ifndef FASTGD_WINDOWS_API_H
#define FASTGD_WINDOWS_API_H

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#undef far
#undef near

#endif

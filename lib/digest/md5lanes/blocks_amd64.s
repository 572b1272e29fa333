#include "textflag.h"

// MD5 of sixteen messages at once: two groups of eight, each with a message in
// every 32-bit lane of its registers. One group alone would spend its time waiting
// for its own results, since each step of MD5 needs the one before.
//
// Y0-Y3 and Y4-Y7 are a, b, c and d of the two groups, Y8-Y11 and Y15 scratch. The
// words of the current block lie transposed on the stack: word i of the first eight
// messages at 32*i(MSG), of the others at 512+32*i(MSG).

#define STATE DI // *[4][16]uint32
#define PTRS  SI // *[16]*byte
#define LEFT  CX // bytes
#define AT    DX // offset into the messages
#define MSG   BX
#define CONST R8
#define PTR   R9

// LOAD brings 16 bytes of two messages into the halves of a register.
#define LOAD(low, high, word, y, x) \
	MOVQ (8*(low))(PTRS), PTR; \
	VMOVDQU 4*word(PTR)(AT*1), x; \
	MOVQ (8*(high))(PTRS), PTR; \
	VINSERTI128 $1, 4*word(PTR)(AT*1), y, y

// TRANSPOSE stores four words of eight messages, word by word.
#define TRANSPOSE(first, word, to) \
	LOAD(first+0, first+4, word, Y8, X8); \
	LOAD(first+1, first+5, word, Y9, X9); \
	LOAD(first+2, first+6, word, Y10, X10); \
	LOAD(first+3, first+7, word, Y11, X11); \
	VPUNPCKLDQ Y9, Y8, Y12; \
	VPUNPCKLDQ Y11, Y10, Y13; \
	VPUNPCKHDQ Y9, Y8, Y14; \
	VPUNPCKHDQ Y11, Y10, Y15; \
	VPUNPCKLQDQ Y13, Y12, Y8; \
	VPUNPCKHQDQ Y13, Y12, Y9; \
	VPUNPCKLQDQ Y15, Y14, Y10; \
	VPUNPCKHQDQ Y15, Y14, Y11; \
	VMOVDQU Y8, to+32*(word+0)(MSG); \
	VMOVDQU Y9, to+32*(word+1)(MSG); \
	VMOVDQU Y10, to+32*(word+2)(MSG); \
	VMOVDQU Y11, to+32*(word+3)(MSG)

// ADD begins a step: a += word + constant.
#define ADD(a, e, step, word) \
	VPBROADCASTD 4*step(CONST), Y15; \
	VPADDD 32*word(MSG), a, a; \
	VPADDD 512+32*word(MSG), e, e; \
	VPADDD Y15, a, a; \
	VPADDD Y15, e, e

// ROTATE ends a step: a = b + (a + f)<<<shift, with f in Y8 and Y10.
#define ROTATE(a, b, e, f, shift) \
	VPADDD Y8, a, a; \
	VPADDD Y10, e, e; \
	VPSLLD $shift, a, Y8; \
	VPSLLD $shift, e, Y10; \
	VPSRLD $(32-shift), a, a; \
	VPSRLD $(32-shift), e, e; \
	VPOR Y8, a, a; \
	VPOR Y10, e, e; \
	VPADDD b, a, a; \
	VPADDD f, e, e

// d ^ (b & (c ^ d))
#define STEP1(a, b, c, d, e, f, g, h, step, word, shift) \
	ADD(a, e, step, word); \
	VPXOR c, d, Y8; \
	VPXOR g, h, Y10; \
	VPAND b, Y8, Y8; \
	VPAND f, Y10, Y10; \
	VPXOR d, Y8, Y8; \
	VPXOR h, Y10, Y10; \
	ROTATE(a, b, e, f, shift)

// (b & d) + (c &^ d)
#define STEP2(a, b, c, d, e, f, g, h, step, word, shift) \
	ADD(a, e, step, word); \
	VPANDN c, d, Y9; \
	VPANDN g, h, Y11; \
	VPAND b, d, Y8; \
	VPAND f, h, Y10; \
	VPADDD Y9, a, a; \
	VPADDD Y11, e, e; \
	ROTATE(a, b, e, f, shift)

// b ^ c ^ d
#define STEP3(a, b, c, d, e, f, g, h, step, word, shift) \
	ADD(a, e, step, word); \
	VPXOR c, d, Y8; \
	VPXOR g, h, Y10; \
	VPXOR b, Y8, Y8; \
	VPXOR f, Y10, Y10; \
	ROTATE(a, b, e, f, shift)

// c ^ (b | ^d), with ones in Y14
#define STEP4(a, b, c, d, e, f, g, h, step, word, shift) \
	ADD(a, e, step, word); \
	VPXOR d, Y14, Y8; \
	VPXOR h, Y14, Y10; \
	VPOR b, Y8, Y8; \
	VPOR f, Y10, Y10; \
	VPXOR c, Y8, Y8; \
	VPXOR g, Y10, Y10; \
	ROTATE(a, b, e, f, shift)

// func blocks16(state *[4][16]uint32, p *[16]*byte, n int)
// It needs AVX2. n is in bytes, a multiple of 64.
TEXT ·blocks16(SB), 0, $1056-24
	MOVQ state+0(FP), STATE
	MOVQ p+8(FP), PTRS
	MOVQ n+16(FP), LEFT
	XORQ AT, AT
	LEAQ constants<>(SB), CONST
	LEAQ 31(SP), MSG // aligned, or every second access would touch two cache lines
	ANDQ $~31, MSG
	VMOVDQU 0(STATE), Y0
	VMOVDQU 64(STATE), Y1
	VMOVDQU 128(STATE), Y2
	VMOVDQU 192(STATE), Y3
	VMOVDQU 32(STATE), Y4
	VMOVDQU 96(STATE), Y5
	VMOVDQU 160(STATE), Y6
	VMOVDQU 224(STATE), Y7
	JMP  check

block:
	TRANSPOSE(0, 0, 0)
	TRANSPOSE(0, 4, 0)
	TRANSPOSE(0, 8, 0)
	TRANSPOSE(0, 12, 0)
	TRANSPOSE(8, 0, 512)
	TRANSPOSE(8, 4, 512)
	TRANSPOSE(8, 8, 512)
	TRANSPOSE(8, 12, 512)

	STEP1(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 0, 0, 7)
	STEP1(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 1, 1, 12)
	STEP1(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 2, 2, 17)
	STEP1(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 3, 3, 22)
	STEP1(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 4, 4, 7)
	STEP1(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 5, 5, 12)
	STEP1(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 6, 6, 17)
	STEP1(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 7, 7, 22)
	STEP1(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 8, 8, 7)
	STEP1(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 9, 9, 12)
	STEP1(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 10, 10, 17)
	STEP1(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 11, 11, 22)
	STEP1(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 12, 12, 7)
	STEP1(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 13, 13, 12)
	STEP1(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 14, 14, 17)
	STEP1(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 15, 15, 22)

	STEP2(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 16, 1, 5)
	STEP2(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 17, 6, 9)
	STEP2(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 18, 11, 14)
	STEP2(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 19, 0, 20)
	STEP2(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 20, 5, 5)
	STEP2(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 21, 10, 9)
	STEP2(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 22, 15, 14)
	STEP2(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 23, 4, 20)
	STEP2(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 24, 9, 5)
	STEP2(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 25, 14, 9)
	STEP2(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 26, 3, 14)
	STEP2(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 27, 8, 20)
	STEP2(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 28, 13, 5)
	STEP2(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 29, 2, 9)
	STEP2(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 30, 7, 14)
	STEP2(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 31, 12, 20)

	STEP3(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 32, 5, 4)
	STEP3(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 33, 8, 11)
	STEP3(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 34, 11, 16)
	STEP3(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 35, 14, 23)
	STEP3(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 36, 1, 4)
	STEP3(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 37, 4, 11)
	STEP3(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 38, 7, 16)
	STEP3(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 39, 10, 23)
	STEP3(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 40, 13, 4)
	STEP3(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 41, 0, 11)
	STEP3(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 42, 3, 16)
	STEP3(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 43, 6, 23)
	STEP3(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 44, 9, 4)
	STEP3(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 45, 12, 11)
	STEP3(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 46, 15, 16)
	STEP3(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 47, 2, 23)

	VPCMPEQD Y14, Y14, Y14
	STEP4(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 48, 0, 6)
	STEP4(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 49, 7, 10)
	STEP4(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 50, 14, 15)
	STEP4(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 51, 5, 21)
	STEP4(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 52, 12, 6)
	STEP4(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 53, 3, 10)
	STEP4(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 54, 10, 15)
	STEP4(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 55, 1, 21)
	STEP4(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 56, 8, 6)
	STEP4(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 57, 15, 10)
	STEP4(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 58, 6, 15)
	STEP4(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 59, 13, 21)
	STEP4(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 60, 4, 6)
	STEP4(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 61, 11, 10)
	STEP4(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 62, 2, 15)
	STEP4(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 63, 9, 21)

	VPADDD 0(STATE), Y0, Y0
	VPADDD 64(STATE), Y1, Y1
	VPADDD 128(STATE), Y2, Y2
	VPADDD 192(STATE), Y3, Y3
	VPADDD 32(STATE), Y4, Y4
	VPADDD 96(STATE), Y5, Y5
	VPADDD 160(STATE), Y6, Y6
	VPADDD 224(STATE), Y7, Y7
	VMOVDQU Y0, 0(STATE)
	VMOVDQU Y1, 64(STATE)
	VMOVDQU Y2, 128(STATE)
	VMOVDQU Y3, 192(STATE)
	VMOVDQU Y4, 32(STATE)
	VMOVDQU Y5, 96(STATE)
	VMOVDQU Y6, 160(STATE)
	VMOVDQU Y7, 224(STATE)
	ADDQ $64, AT
	SUBQ $64, LEFT

check:
	CMPQ LEFT, $64
	JGE  block
	VZEROUPPER
	RET

// The constants of the steps: the first 32 bits of the fractions of |sin(1)| to |sin(64)|.
DATA constants<>+0x000(SB)/8, $0xe8c7b756d76aa478
DATA constants<>+0x008(SB)/8, $0xc1bdceee242070db
DATA constants<>+0x010(SB)/8, $0x4787c62af57c0faf
DATA constants<>+0x018(SB)/8, $0xfd469501a8304613
DATA constants<>+0x020(SB)/8, $0x8b44f7af698098d8
DATA constants<>+0x028(SB)/8, $0x895cd7beffff5bb1
DATA constants<>+0x030(SB)/8, $0xfd9871936b901122
DATA constants<>+0x038(SB)/8, $0x49b40821a679438e
DATA constants<>+0x040(SB)/8, $0xc040b340f61e2562
DATA constants<>+0x048(SB)/8, $0xe9b6c7aa265e5a51
DATA constants<>+0x050(SB)/8, $0x02441453d62f105d
DATA constants<>+0x058(SB)/8, $0xe7d3fbc8d8a1e681
DATA constants<>+0x060(SB)/8, $0xc33707d621e1cde6
DATA constants<>+0x068(SB)/8, $0x455a14edf4d50d87
DATA constants<>+0x070(SB)/8, $0xfcefa3f8a9e3e905
DATA constants<>+0x078(SB)/8, $0x8d2a4c8a676f02d9
DATA constants<>+0x080(SB)/8, $0x8771f681fffa3942
DATA constants<>+0x088(SB)/8, $0xfde5380c6d9d6122
DATA constants<>+0x090(SB)/8, $0x4bdecfa9a4beea44
DATA constants<>+0x098(SB)/8, $0xbebfbc70f6bb4b60
DATA constants<>+0x0a0(SB)/8, $0xeaa127fa289b7ec6
DATA constants<>+0x0a8(SB)/8, $0x04881d05d4ef3085
DATA constants<>+0x0b0(SB)/8, $0xe6db99e5d9d4d039
DATA constants<>+0x0b8(SB)/8, $0xc4ac56651fa27cf8
DATA constants<>+0x0c0(SB)/8, $0x432aff97f4292244
DATA constants<>+0x0c8(SB)/8, $0xfc93a039ab9423a7
DATA constants<>+0x0d0(SB)/8, $0x8f0ccc92655b59c3
DATA constants<>+0x0d8(SB)/8, $0x85845dd1ffeff47d
DATA constants<>+0x0e0(SB)/8, $0xfe2ce6e06fa87e4f
DATA constants<>+0x0e8(SB)/8, $0x4e0811a1a3014314
DATA constants<>+0x0f0(SB)/8, $0xbd3af235f7537e82
DATA constants<>+0x0f8(SB)/8, $0xeb86d3912ad7d2bb
GLOBL constants<>(SB), RODATA|NOPTR, $256

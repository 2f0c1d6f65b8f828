!> Entries of an archive that are compressed, made whole again (DEFLATE, RFC 1951): TorchScript
!> compresses its code.
module da_network_inflate
   implicit none
   private
   public :: inflate

   integer, parameter :: bits_a_byte = 8
   integer, parameter :: most_bits = 15
   integer, parameter :: literals = 288
   integer, parameter :: distances = 30
   integer, parameter :: end_of_block = 256
   integer, parameter :: first_length = 257

   !> Bits of a text, those of a byte from the low end.
   type :: bits_type
      integer :: next = 1
      integer :: held = 0
      integer :: count = 0
      !> There is no such stream, or it is cut short.
      logical :: wrong = .false.
   end type bits_type

   !> A canonical Huffman code: how many codes have each length, and the symbols in their order.
   type :: code_type
      integer :: counts(0:most_bits) = 0
      integer :: symbols(literals) = 0
   end type code_type

contains

   !> `whole` of the length that it must have; not `ok`: it has another, or the stream is none.
   pure subroutine inflate(packed, whole, ok)
      character(len=*), intent(in) :: packed
      character(len=*), intent(out) :: whole
      logical, intent(out) :: ok
      integer, parameter :: stored = 0
      integer, parameter :: fixed = 1
      integer, parameter :: dynamic = 2
      type(bits_type) :: bits
      type(code_type) :: literal
      type(code_type) :: distance
      integer :: length
      integer :: last
      integer :: kind

      length = 0
      do
         call take(packed, bits, 1, last)
         call take(packed, bits, 2, kind)
         select case (kind)
         case (stored)
            call copy_stored(packed, bits, whole, length)
         case (fixed)
            call fixed_codes(literal, distance)
            call decode(packed, bits, literal, distance, whole, length)
         case (dynamic)
            call read_codes(packed, bits, literal, distance)
            if (.not. bits%wrong) call decode(packed, bits, literal, distance, whole, length)
         case default
            bits%wrong = .true.
         end select
         if (bits%wrong .or. last == 1) exit
      end do
      ok = .not. bits%wrong .and. length == len(whole) .and. bits%next == len(packed) + 1
   end subroutine inflate

   pure subroutine take(packed, bits, count, value)
      character(len=*), intent(in) :: packed
      type(bits_type), intent(inout) :: bits
      integer, intent(in) :: count
      integer, intent(out) :: value

      value = 0
      do while (bits%count < count)
         if (bits%next > len(packed)) then
            bits%wrong = .true.
            return
         end if
         bits%held = ior(bits%held, shiftl(ichar(packed(bits%next:bits%next)), bits%count))
         bits%next = bits%next + 1
         bits%count = bits%count + bits_a_byte
      end do
      value = ibits(bits%held, 0, count)
      bits%held = shiftr(bits%held, count)
      bits%count = bits%count - count
   end subroutine take

   !> Section 3.2.4: from the next whole byte on.
   pure subroutine copy_stored(packed, bits, whole, length)
      character(len=*), intent(in) :: packed
      type(bits_type), intent(inout) :: bits
      character(len=*), intent(inout) :: whole
      integer, intent(inout) :: length
      integer, parameter :: bits_of_a_size = 16
      integer, parameter :: complement = 65535
      integer :: size
      integer :: inverted

      bits%held = 0
      bits%count = 0
      call take(packed, bits, bits_of_a_size, size)
      call take(packed, bits, bits_of_a_size, inverted)
      bits%wrong = bits%wrong .or. size + inverted /= complement .or. &
                   size > len(packed) - bits%next + 1 .or. size > len(whole) - length
      if (bits%wrong) return
      whole(length + 1:length + size) = packed(bits%next:bits%next + size - 1)
      bits%next = bits%next + size
      length = length + size
   end subroutine copy_stored

   !> Section 3.2.6
   pure subroutine fixed_codes(literal, distance)
      type(code_type), intent(out) :: literal
      type(code_type), intent(out) :: distance
      integer :: i

      literal = new_code([(8, i=0, 143), (9, i=144, 255), (7, i=256, 279), (8, i=280, 287)])
      distance = new_code([(5, i=1, distances)])
   end subroutine fixed_codes

   !> Section 3.2.7: the lengths of both codes, themselves coded.
   pure subroutine read_codes(packed, bits, literal, distance)
      character(len=*), intent(in) :: packed
      type(bits_type), intent(inout) :: bits
      type(code_type), intent(out) :: literal
      type(code_type), intent(out) :: distance
      integer, parameter :: order(19) = &
         [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
      integer, parameter :: repeat_last = 16
      integer, parameter :: few_zeros = 17
      integer :: lengths(literals + distances + 2)
      integer :: of_lengths(0:18)
      type(code_type) :: code
      integer :: sizes(3)
      integer :: symbol
      integer :: times
      integer :: value
      integer :: n
      integer :: i

      call take(packed, bits, 5, sizes(1))
      call take(packed, bits, 5, sizes(2))
      call take(packed, bits, 4, sizes(3))
      sizes = sizes + [first_length, 1, 4]
      bits%wrong = bits%wrong .or. sizes(1) > literals - 2 .or. sizes(2) > distances
      if (bits%wrong) return
      of_lengths = 0
      do i = 1, sizes(3)
         call take(packed, bits, 3, of_lengths(order(i)))
      end do
      code = new_code(of_lengths)
      lengths = 0
      n = 0
      do while (n < sum(sizes(:2)) .and. .not. bits%wrong)
         call next_symbol(packed, bits, code, symbol)
         times = 1
         value = symbol
         if (symbol >= repeat_last) then
            value = 0
            if (symbol == repeat_last) then
               bits%wrong = bits%wrong .or. n == 0
               if (n > 0) value = lengths(n)
               call take(packed, bits, 2, times)
               times = times + 3
            else if (symbol == few_zeros) then
               call take(packed, bits, 3, times)
               times = times + 3
            else
               call take(packed, bits, 7, times)
               times = times + 11
            end if
         end if
         bits%wrong = bits%wrong .or. n + times > sum(sizes(:2))
         if (bits%wrong) return
         lengths(n + 1:n + times) = value
         n = n + times
      end do
      literal = new_code(lengths(:sizes(1)))
      distance = new_code(lengths(sizes(1) + 1:n))
   end subroutine read_codes

   pure function new_code(lengths) result(code)
      integer, intent(in) :: lengths(:)
      type(code_type) :: code
      integer :: bits
      integer :: n
      integer :: i

      n = 0
      do bits = 1, most_bits
         do i = 1, size(lengths)
            if (lengths(i) /= bits) cycle
            n = n + 1
            code%symbols(n) = i - 1
            code%counts(bits) = code%counts(bits) + 1
         end do
      end do
   end function new_code

   pure subroutine next_symbol(packed, bits, code, symbol)
      character(len=*), intent(in) :: packed
      type(bits_type), intent(inout) :: bits
      type(code_type), intent(in) :: code
      integer, intent(out) :: symbol
      integer :: value
      integer :: first
      integer :: before
      integer :: length
      integer :: bit

      symbol = 0
      value = 0
      first = 0
      before = 0
      do length = 1, most_bits
         call take(packed, bits, 1, bit)
         value = value + bit
         if (value - first < code%counts(length)) then
            symbol = code%symbols(before + value - first + 1)
            return
         end if
         before = before + code%counts(length)
         first = 2*(first + code%counts(length))
         value = 2*value
      end do
      bits%wrong = .true.
   end subroutine next_symbol

   !> Section 3.2.5: bytes, and copies of what came before.
   pure subroutine decode(packed, bits, literal, distance, whole, length)
      character(len=*), intent(in) :: packed
      type(bits_type), intent(inout) :: bits
      type(code_type), intent(in) :: literal
      type(code_type), intent(in) :: distance
      character(len=*), intent(inout) :: whole
      integer, intent(inout) :: length
      integer, parameter :: lengths(29) = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, &
         31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258]
      integer, parameter :: length_bits(29) = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, &
         3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
      integer, parameter :: back(distances) = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, &
         129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, &
         24577]
      integer :: symbol
      integer :: times
      integer :: from
      integer :: i

      do while (.not. bits%wrong)
         call next_symbol(packed, bits, literal, symbol)
         if (bits%wrong .or. symbol == end_of_block) return
         if (symbol < end_of_block) then
            bits%wrong = length >= len(whole)
            if (bits%wrong) return
            length = length + 1
            whole(length:length) = achar(symbol)
            cycle
         end if
         symbol = symbol - first_length + 1
         bits%wrong = symbol > size(lengths)
         if (bits%wrong) return
         call take(packed, bits, length_bits(symbol), times)
         times = times + lengths(symbol)
         call next_symbol(packed, bits, distance, symbol)
         bits%wrong = bits%wrong .or. symbol >= distances
         if (bits%wrong) return
         call take(packed, bits, max(0, symbol/2 - 1), from)
         from = length - (from + back(symbol + 1))
         bits%wrong = bits%wrong .or. from < 0 .or. length + times > len(whole)
         if (bits%wrong) return
         do i = 1, times
            whole(length + i:length + i) = whole(from + i:from + i)
         end do
         length = length + times
      end do
   end subroutine decode
end module da_network_inflate

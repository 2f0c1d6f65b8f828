!> SHA-256: the examples of FIPS 180-4, lengths about a block and about what is read at a time.
module test_sha256
   use da_base_error, only: error_type
   use da_base_sha256, only: sha256, file_sha256, digest_length
   use da_base_system, only: remove_file
   use testing, only: testing_type
   implicit none
   private
   public :: test_sha256_suite

contains

   subroutine test_sha256_suite(tests)
      type(testing_type), intent(inout) :: tests
      integer, parameter :: lengths(10) = [0, 1, 55, 56, 63, 64, 65, 65535, 65536, 131073]
      character(len=:), allocatable :: text
      integer :: i
      integer :: l

      call expect('', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
      call expect('abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
      call expect('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', &
                  '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1')
      call expect(repeat('a', 1000000), &
                  'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0')
      do l = 1, size(lengths)
         allocate (character(len=lengths(l)) :: text)
         do i = 1, lengths(l)
            text(i:i) = char(mod(i*i + 7*i, 256))
         end do
         call compare_with_file(text)
         deallocate (text)
      end do

   contains

      subroutine expect(message, digest)
         character(len=*), intent(in) :: message
         character(len=*), intent(in) :: digest

         call tests%check(sha256(message) == digest, 'sha256 of '//message(:min(len(message), 20)))
      end subroutine expect

      !> A file has the digest of its bytes, and another one when a bit is another.
      subroutine compare_with_file(bytes)
         character(len=*), intent(in) :: bytes
         character(len=*), parameter :: path = 'test_sha256.bytes'
         character(len=digest_length) :: digest
         type(error_type), allocatable :: error
         integer :: unit

         open (newunit=unit, file=path, access='stream', form='unformatted', status='replace')
         write (unit) bytes
         close (unit)
         call file_sha256(path, digest, error)
         call remove_file(path)
         call tests%check(.not. allocated(error), 'the file is read')
         call tests%check(digest == sha256(bytes), 'a file has the digest of its bytes')
         if (len(bytes) == 0) return
         call tests%check(digest /= sha256(bytes(:len(bytes) - 1)//char(ieor(ichar( &
            bytes(len(bytes):)), 1))), 'the digest tells the last bit')
      end subroutine compare_with_file
   end subroutine test_sha256_suite
end module test_sha256

!> What a path leads to: which file it is, whatever the spelling, and of what kind.
module da_base_file_identity
   use, intrinsic :: iso_c_binding, only: c_char, c_int, c_int16_t, c_int32_t, c_int64_t, c_long, &
      c_null_char
   use da_base_kinds, only: i8
   use da_base_system, only: directory_of
   implicit none
   private
   public :: file_identity_type, identify, kind_of, file_bytes, longest_name, name_of, inode_of
   public :: on_nfs
   public :: kind_none, kind_regular, kind_directory, kind_link, kind_special

   !> Nothing; a regular file; a directory; a symbolic link; a device, pipe or socket.
   integer, parameter :: kind_none = 0
   integer, parameter :: kind_regular = 1
   integer, parameter :: kind_directory = 2
   integer, parameter :: kind_link = 3
   integer, parameter :: kind_special = 4

   !> A file that exists is its device and inode, with an empty name. Another one is the name that
   !> it would have in its directory, and a path of its own where there is not even that.
   type :: file_identity_type
      integer(i8) :: device(2) = -1
      integer(i8) :: inode = -1
      character(len=:), allocatable :: name
   contains
      procedure :: is => is_same
   end type file_identity_type

   !> `struct statx` of Linux, the same on all its machines.
   type, bind(c) :: status_type
      integer(c_int32_t) :: mask
      integer(c_int32_t) :: block_size
      integer(c_int64_t) :: attributes
      integer(c_int32_t) :: links
      integer(c_int32_t) :: user
      integer(c_int32_t) :: group
      integer(c_int16_t) :: mode
      integer(c_int16_t) :: spare
      integer(c_int64_t) :: inode
      integer(c_int64_t) :: bytes
      integer(c_int64_t) :: blocks
      integer(c_int64_t) :: attributes_known
      integer(c_int64_t) :: times(8)
      integer(c_int32_t) :: special_device(2)
      integer(c_int32_t) :: device(2)
      integer(c_int64_t) :: reserved(14)
   end type status_type

   interface
      function c_statx(directory, path, flags, mask, status) result(failed) bind(c, name='statx')
         import :: c_int, c_char, status_type
         integer(c_int), value :: directory
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int), value :: flags
         integer(c_int), value :: mask
         type(status_type), intent(out) :: status
         integer(c_int) :: failed
      end function c_statx
      function c_pathconf(path, name) result(value) bind(c, name='pathconf')
         import :: c_int, c_char, c_long
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int), value :: name
         integer(c_long) :: value
      end function c_pathconf
      function c_statfs(path, status) result(failed) bind(c, name='statfs')
         import :: c_int, c_char, c_int64_t
         character(kind=c_char), intent(in) :: path(*)
         integer(c_int64_t), intent(out) :: status(*)
         integer(c_int) :: failed
      end function c_statfs
   end interface

   !> AT_FDCWD, AT_SYMLINK_NOFOLLOW and STATX_BASIC_STATS of Linux
   integer(c_int), parameter :: from_here = -100
   integer(c_int), parameter :: follow = 0
   integer(c_int), parameter :: link_itself = 256
   integer(c_int), parameter :: basic = 2047

contains

   !> Links are followed.
   function identify(path) result(identity)
      character(len=*), intent(in) :: path
      type(file_identity_type) :: identity
      type(status_type) :: status

      identity%name = ''
      if (c_statx(from_here, path//c_null_char, follow, basic, status) /= 0) then
         identity%name = name_of(path)
         if (c_statx(from_here, directory_of(path)//c_null_char, follow, basic, status) /= 0) then
            identity%name = path
            return
         end if
      end if
      identity%device = status%device
      identity%inode = status%inode
   end function identify

   pure function is_same(self, other) result(yes)
      class(file_identity_type), intent(in) :: self
      type(file_identity_type), intent(in) :: other
      logical :: yes

      yes = all(self%device == other%device) .and. self%inode == other%inode &
            .and. self%name == other%name
   end function is_same

   !> Of what kind a path is; a link is not followed.
   function kind_of(path) result(kind)
      character(len=*), intent(in) :: path
      integer :: kind
      integer, parameter :: type_bits = int(o'170000')
      type(status_type) :: status

      kind = kind_none
      if (c_statx(from_here, path//c_null_char, link_itself, basic, status) /= 0) return
      select case (iand(int(status%mode), type_bits))
      case (int(o'100000'))
         kind = kind_regular
      case (int(o'040000'))
         kind = kind_directory
      case (int(o'120000'))
         kind = kind_link
      case default
         kind = kind_special
      end select
   end function kind_of

   !> The size of a file that is there; -1 where there is none.
   function file_bytes(path) result(bytes)
      character(len=*), intent(in) :: path
      integer(i8) :: bytes
      type(status_type) :: status

      bytes = -1
      if (c_statx(from_here, path//c_null_char, follow, basic, status) == 0) bytes = status%bytes
   end function file_bytes

   !> The number of what a path leads to; -1 where that is nothing.
   function inode_of(path) result(inode)
      character(len=*), intent(in) :: path
      integer(i8) :: inode
      type(status_type) :: status

      inode = -1
      if (c_statx(from_here, path//c_null_char, follow, basic, status) == 0) inode = status%inode
   end function inode_of

   !> The most bytes that a name in this directory can have.
   function longest_name(directory) result(bytes)
      character(len=*), intent(in) :: directory
      integer :: bytes
      !> _PC_NAME_MAX, and what most file systems have
      integer(c_int), parameter :: name_max = 3
      integer, parameter :: usual = 255

      bytes = int(c_pathconf(directory//c_null_char, name_max))
      if (bytes <= 0) bytes = usual
   end function longest_name

   !> Whether a directory lies on NFS (Linux, where `struct statfs` begins with the kind).
   function on_nfs(directory) result(yes)
      character(len=*), intent(in) :: directory
      logical :: yes
      !> NFS_SUPER_MAGIC; room for all of the structure
      integer(i8), parameter :: nfs = int(z'6969', i8)
      integer(c_int64_t) :: status(64)

      yes = c_statfs(directory//c_null_char, status) == 0
      if (yes) yes = status(1) == nfs
   end function on_nfs

   !> What stands behind the last slash.
   pure function name_of(path) result(name)
      character(len=*), intent(in) :: path
      character(len=:), allocatable :: name

      name = path(index(path, '/', back=.true.) + 1:)
   end function name_of
end module da_base_file_identity

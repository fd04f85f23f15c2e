using System.Runtime.InteropServices;

namespace Atoll.ModelImports;

/// <summary>A seccomp filter for the process and all its threads: no network, no other process, no links, no changes of a file's attributes.</summary>
/// <remarks>
/// A list of what is refused and not of what is allowed: the runtime's own calls change from version to version, and a call too few would kill sound
/// imports. Numbers: linux/arch/x86/entry/syscalls/syscall_64.tbl and linux/include/uapi/asm-generic/unistd.h.
/// </remarks>
internal static partial class SystemCallFilter
{
    private const int NotPermitted = 1;
    private const int NotImplemented = 38;
    private const uint CloneThread = 0x10000;

    // struct seccomp_data: the call's number, the architecture, an address of eight bytes, then the arguments.
    private const uint NumberAt = 0, ArchitectureAt = 4, FirstArgumentAt = 16, SecondArgumentAt = 24;

    // socket, connect, accept, accept4, sendto, sendmsg, sendmmsg, bind, listen, socketpair, io_uring_setup (which could do all of these),
    // fork, vfork, execve, execveat, ptrace, process_vm_readv, process_vm_writev, kill, tkill, rt_sigqueueinfo, pidfd_open, pidfd_send_signal, pidfd_getfd,
    // link, linkat, symlink, symlinkat, mount, umount2, pivot_root, chroot, unshare, setns, open_by_handle_at, bpf, perf_event_open, userfaultfd,
    // add_key, request_key, keyctl, init_module, finit_module, kexec_load, kexec_file_load, reboot, prlimit64,
    // rt_tgsigqueueinfo, setpriority, ioprio_set,
    // then what Landlock does not cover: truncate, chmod, fchmod, fchmodat, chown, fchown, lchown, fchownat, (l, f)setxattr, (l, f)removexattr, utime, utimes,
    // utimensat, futimesat, mknod, mknodat. ftruncate needs a file that is open for writing, and the runtime needs ftruncate.
    private static readonly uint[] RefusedX64 =
    [
        41, 42, 43, 288, 44, 46, 307, 49, 50, 53, 425, 57, 58, 59, 322, 101, 310, 311, 62, 200, 129, 434, 424, 438,
        86, 265, 88, 266, 165, 166, 155, 161, 272, 308, 304, 321, 298, 323, 248, 249, 250, 175, 313, 246, 320, 169, 302,
        297, 141, 251, 76, 90, 91, 268, 92, 93, 94, 260, 188, 189, 190, 197, 198, 199, 132, 235, 280, 261, 133, 259,
    ];

    private static readonly uint[] RefusedArm64 =
    [
        198, 203, 202, 242, 206, 211, 269, 200, 201, 199, 425, 221, 281, 117, 270, 271, 129, 130, 138, 434, 424, 438,
        37, 36, 40, 39, 41, 51, 97, 268, 265, 280, 241, 282, 217, 218, 219, 105, 273, 104, 294, 142, 261,
        240, 140, 30, 45, 52, 53, 54, 55, 5, 6, 7, 14, 15, 16, 88, 33,
    ];

    // Newer calls have the same number everywhere: fchmodat2, setxattrat, removexattrat, file_setattr.
    private static readonly uint[] RefusedEverywhere = [452, 463, 466, 469];

    // Their first argument says which process: tgkill, sched_setaffinity, sched_setscheduler, sched_setparam, sched_setattr.
    private static readonly uint[] OnItselfX64 = [234, 203, 144, 142, 314];
    private static readonly uint[] OnItselfArm64 = [131, 122, 119, 118, 274];

    /// <summary>False where the system has no such filter.</summary>
    public static unsafe bool Enter()
    {
        const uint architectureX64 = 0xC000003E, architectureArm64 = 0xC00000B7;
        switch (RuntimeInformation.ProcessArchitecture)
        {
            case Architecture.X64:
                return Enter(Write(architectureX64, RefusedX64, OnItselfX64, clone: 56, clone3: 435, fcntl: 72), seccomp: 317);
            case Architecture.Arm64:
                return Enter(Write(architectureArm64, RefusedArm64, OnItselfArm64, clone: 220, clone3: 435, fcntl: 25), seccomp: 277);
            default:
                return false;
        }
    }

    private static Instruction[] Write(uint architecture, uint[] refused, uint[] onItself, uint clone, uint clone3, uint fcntl)
    {
        const ushort load = 0x20, jumpIfEqual = 0x15, jumpIfAtLeast = 0x35, jumpIfAnyBit = 0x45, answer = 0x06;
        const uint allow = 0x7FFF0000, fail = 0x00050000, killProcess = 0x80000000, otherAbi = 0x40000000;
        const uint setOwner = 8, setSignal = 10, setOwnerOrThread = 15;
        List<Instruction> program =
        [
            // The numbers mean something else in another architecture.
            new(load, 0, 0, ArchitectureAt), new(jumpIfEqual, 1, 0, architecture), new(answer, 0, 0, killProcess),
            new(load, 0, 0, NumberAt), new(jumpIfAtLeast, 0, 1, otherAbi), new(answer, 0, 0, killProcess),

            // Threads may be made, processes not. What clone3 is to do lies in memory, where a filter cannot look: callers take clone instead.
            new(jumpIfEqual, 0, 1, clone3), new(answer, 0, 0, fail | NotImplemented),
            new(jumpIfEqual, 0, 4, clone), new(load, 0, 0, FirstArgumentAt), new(jumpIfAnyBit, 0, 1, CloneThread), new(answer, 0, 0, allow), new(answer, 0, 0, fail | NotPermitted),

            // Whoever owns an open file gets signals from it; which process that is may not be chosen.
            new(jumpIfEqual, 0, 6, fcntl), new(load, 0, 0, SecondArgumentAt), new(jumpIfEqual, 3, 0, setOwner), new(jumpIfEqual, 2, 0, setSignal), new(jumpIfEqual, 1, 0, setOwnerOrThread),
            new(answer, 0, 0, allow), new(answer, 0, 0, fail | NotPermitted),
        ];
        foreach (var number in onItself)
        {
            // Zero is whoever calls.
            program.AddRange(
            [
                new(jumpIfEqual, 0, 5, number), new(load, 0, 0, FirstArgumentAt), new(jumpIfEqual, 1, 0, 0), new(jumpIfEqual, 0, 1, (uint)Environment.ProcessId),
                new(answer, 0, 0, allow), new(answer, 0, 0, fail | NotPermitted),
            ]);
        }
        foreach (var number in refused.Concat(RefusedEverywhere))
        {
            program.Add(new(jumpIfEqual, 0, 1, number));
            program.Add(new(answer, 0, 0, fail | NotPermitted));
        }
        program.Add(new(answer, 0, 0, allow));
        return [.. program];
    }

    private static unsafe bool Enter(Instruction[] program, nint seccomp)
    {
        const nint setModeFilter = 1, forAllThreads = 1;
        fixed (Instruction* first = program)
        {
            var whole = new Program { Length = (ushort)program.Length, First = first };
            return syscall(seccomp, setModeFilter, forAllThreads, (nint)(&whole)) == 0;
        }
    }

    [LibraryImport("libc")]
    private static partial nint syscall(nint number, nint a, nint b, nint c);

    /// <summary><c>struct sock_filter</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Instruction(ushort Code, byte IfTrue, byte IfFalse, uint Value);

    /// <summary><c>struct sock_fprog</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Program
    {
        public ushort Length;
        public Instruction* First;
    }
}

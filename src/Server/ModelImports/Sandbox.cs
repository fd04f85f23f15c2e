using System.Runtime.InteropServices;

namespace Atoll.ModelImports;

/// <summary>Takes from this process what reading a stranger's model does not need. There is no way back.</summary>
/// <remarks>
/// On Linux: memory, processor time and file sizes are limited by the kernel; no network, no other process, no links to files (a seccomp filter); files
/// of the system and of Atoll can be read, nothing but the work folder can be written (Landlock, where the kernel has it; it holds for this thread and those that it
/// starts). On macOS: processor time and file sizes. Elsewhere only what the parent does: it watches memory and time, and gives the process no secrets.
/// Sources: man 2 setrlimit, man 2 seccomp, man 7 landlock.
/// </remarks>
internal static partial class Sandbox
{
    // Stacks, code and what the runtime allocates beside its heap; the parent watches what is really used.
    private const long MemoryHeadroomBytes = 1L << 30;
    private const int CpuHeadroomSeconds = 30;

    /// <param name="folder">May be written.</param>
    /// <param name="source">May be read besides what a program needs.</param>
    public static void Enter(string folder, string source, int memoryMegabytesMax, int secondsMax)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS()) return;
        const int cpu = 0, fileSize = 1, data = 2, core = 4;
        var memory = memoryMegabytesMax * (1L << 20);
        Limit(cpu, secondsMax + CpuHeadroomSeconds);
        Limit(fileSize, memory);
        if (!OperatingSystem.IsLinux()) return;
        Limit(core, 0);
        Limit(data, memory + MemoryHeadroomBytes);
        if (prctl(SetNoNewPrivileges, 1, 0, 0, 0) != 0) return;
        FileRules.Enter(folder, source);
        SystemCallFilter.Enter();
    }

    private const int SetNoNewPrivileges = 38;

    private static unsafe void Limit(int resource, long most)
    {
        // A limit that is lower already stays.
        var limits = stackalloc ulong[2];
        if (getrlimit(resource, limits) != 0) return;
        limits[0] = limits[1] = Math.Min(limits[1], (ulong)most);
        _ = setrlimit(resource, limits);
    }

    [LibraryImport("libc")]
    private static unsafe partial int getrlimit(int resource, ulong* limits);

    [LibraryImport("libc")]
    private static unsafe partial int setrlimit(int resource, ulong* limits);

    [LibraryImport("libc")]
    private static partial int prctl(int option, nint a, nint b, nint c, nint d);
}

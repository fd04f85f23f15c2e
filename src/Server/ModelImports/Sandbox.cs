using System.Runtime.InteropServices;

namespace Atoll.ModelImports;

/// <summary>Takes from this process what reading a stranger's model does not need. There is no way back.</summary>
/// <remarks>
/// On Linux: memory, processor time and file sizes are limited by the kernel; no network, no other process, no links to files (a seccomp filter); files
/// of the system and of Atoll can be read, nothing but the work folder can be written (Landlock, where the kernel has it). On macOS: processor time and
/// file sizes. Elsewhere only what the parent does: it watches memory and time, and gives the process no secrets.
/// Sources: man 2 setrlimit, man 2 seccomp, man 7 landlock.
/// </remarks>
internal static partial class Sandbox
{
    // Stacks, code and what the runtime allocates beside its heap; the parent watches what is really used.
    private const long MemoryHeadroomBytes = 1L << 30;
    private const int CpuHeadroomSeconds = 30;

    // Set for the second start of the program, the one under Landlock.
    private const string HasFileRules = "ATOLL_FILE_RULES";

    /// <remarks>
    /// Landlock holds for one thread, and the runtime has started others. So the program starts again: what is in force when a process
    /// becomes another program holds for all of that. The first time this does not return.
    /// </remarks>
    /// <param name="folder">May be written.</param>
    /// <param name="source">May be read besides what a program needs.</param>
    /// <returns>What this system does not give.</returns>
    public static SandboxGaps Enter(string folder, string source, int memoryMegabytesMax, int secondsMax)
    {
        const int cpu = 0, fileSize = 1, data = 2, core = 4;
        var gaps = SandboxGaps.Files | SandboxGaps.Calls;
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS()) return gaps;
        var hasPrivilegesSet = OperatingSystem.IsLinux() && prctl(SetNoNewPrivileges, 1, 0, 0, 0) == 0;
        if (Environment.GetEnvironmentVariable(HasFileRules) is not null) gaps &= ~SandboxGaps.Files;
        else if (hasPrivilegesSet && FileRules.Enter(folder, source)) StartAgain();

        // After the start: the runtime makes a large file in memory then.
        var memory = memoryMegabytesMax * (1L << 20);
        Limit(cpu, secondsMax + CpuHeadroomSeconds);
        Limit(fileSize, memory);
        if (!OperatingSystem.IsLinux()) return gaps;
        Limit(core, 0);
        Limit(data, memory + MemoryHeadroomBytes);
        return hasPrivilegesSet && SystemCallFilter.Enter() ? gaps & ~SandboxGaps.Calls : gaps;
    }

    /// <summary>Returns only when that fails.</summary>
    private static void StartAgain()
    {
        var arguments = File.ReadAllText("/proc/self/cmdline").Split('\0')[..^1];
        if (setenv(HasFileRules, "1", 1) == 0) _ = execv("/proc/self/exe", [.. arguments, null]);
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

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int execv(string path, string?[] arguments);
}

/// <summary>What of the sandbox a system does not give.</summary>
[Flags]
internal enum SandboxGaps
{
    None = 0,

    /// <summary>No Landlock: the files of the server's user can be read and changed.</summary>
    Files = 1,

    /// <summary>No seccomp filter: network and other processes can be reached.</summary>
    Calls = 2,
}

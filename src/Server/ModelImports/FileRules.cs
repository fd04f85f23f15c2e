using System.Runtime.InteropServices;

namespace Atoll.ModelImports;

/// <summary>Landlock rules: what programs need may be read, the work folder may be written, nothing else is there.</summary>
internal static unsafe partial class FileRules
{
    private const nint CreateRuleset = 444, AddRule = 445, RestrictSelf = 446;
    private const int PathBeneath = 1;
    private const int OpenPath = 0x200000 | 0x80000; // O_PATH | O_CLOEXEC

    private const nint AskVersion = 1;

    // Of the first version of Landlock: execute, write, read a file, read a folder, and nine ways to make and remove entries.
    private const ulong FirstRights = (1 << 13) - 1;
    private const ulong ReadFile = 1 << 2;
    private const ulong ReadAndWriteFile = ReadFile | (1 << 1);
    private const ulong Read = (1 << 0) | ReadFile | (1 << 3);

    private static readonly string[] SystemFolders = ["/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys"];
    private static readonly string[] Devices = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];

    /// <summary>Holds for the calling thread, those that it starts, and the program that it becomes by <c>exec</c>. False where the kernel has no Landlock.</summary>
    public static bool Enter(string folder, string source)
    {
        var version = syscall(CreateRuleset, 0, 0, AskVersion, 0);
        if (version < 1) return false;
        var all = FirstRights;
        if (version >= 2) all |= 1 << 13; // move between folders
        if (version >= 3) all |= 1 << 14; // truncate, which opening a file for reading can do too
        if (version >= 5) all |= 1 << 15; // control devices

        // struct landlock_ruleset_attr: files; TCP, to bind and to connect; sockets without a file and signals. A kernel takes unknown fields that are zero.
        var handled = stackalloc ulong[] { all, version >= 4 ? 3UL : 0, version >= 6 ? 3UL : 0 };
        var ruleset = (int)syscall(CreateRuleset, (nint)handled, 3 * sizeof(ulong), 0, 0);
        if (ruleset < 0) return false;
        foreach (var path in SystemFolders.Append(AppContext.BaseDirectory).Concat(RuntimeFolders())) Allow(ruleset, path, Read);
        foreach (var path in LoadedFiles()) Allow(ruleset, path, ReadFile | (1 << 0));
        foreach (var path in Devices) Allow(ruleset, path, ReadAndWriteFile);
        Allow(ruleset, source, ReadFile);
        Allow(ruleset, folder, all);
        var isOn = syscall(RestrictSelf, ruleset, 0, 0, 0) == 0;
        _ = close(ruleset);
        return isOn;
    }

    private static IEnumerable<string> RuntimeFolders()
    {
        var runtime = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        yield return runtime;

        // ROOT/shared/Microsoft.NETCore.App/VERSION; the program that starts the runtime and the other frameworks are elsewhere in ROOT.
        if (Path.GetDirectoryName(runtime) is { } framework && Path.GetFileName(framework) == "Microsoft.NETCore.App") yield return Path.GetFullPath("../..", framework);
        foreach (var name in new[] { "ATOLL_NATIVE", "DOTNET_ROOT" })
        {
            if (Environment.GetEnvironmentVariable(name) is { } folder) yield return folder;
        }
        foreach (var folder in (Environment.GetEnvironmentVariable("LD_LIBRARY_PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)) yield return folder;
    }

    // Some systems keep their libraries in none of the usual folders; this process needed these to start, so it will again.
    private static IEnumerable<string> LoadedFiles() =>
        File.ReadLines("/proc/self/maps").Select(line => line.IndexOf('/') is >= 0 and var at ? line[at..] : "").Where(path => path.Length > 0).Distinct();

    private static void Allow(int ruleset, string path, ulong access)
    {
        var handle = open(path, OpenPath);
        if (handle < 0) return;

        // struct landlock_path_beneath_attr is packed: eight bytes of rights, four of the handle.
        var rule = stackalloc byte[12];
        *(ulong*)rule = access;
        *(int*)(rule + 8) = handle;
        _ = syscall(AddRule, ruleset, PathBeneath, (nint)rule, 0);
        _ = close(handle);
    }

    [LibraryImport("libc")]
    private static partial nint syscall(nint number, nint a, nint b, nint c, nint d);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int close(int handle);
}

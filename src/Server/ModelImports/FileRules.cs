using System.Runtime.InteropServices;

namespace Atoll.ModelImports;

/// <summary>Landlock rules: what programs need may be read, the work folder may be written, nothing else is there.</summary>
internal static unsafe partial class FileRules
{
    private const nint CreateRuleset = 444, AddRule = 445, RestrictSelf = 446;
    private const int PathBeneath = 1;
    private const int OpenPath = 0x200000 | 0x80000; // O_PATH | O_CLOEXEC

    // Of the first version of Landlock: execute, write, read a file, read a folder, and nine ways to make and remove entries.
    private const ulong All = (1 << 13) - 1;
    private const ulong ReadFile = 1 << 2;
    private const ulong Read = (1 << 0) | ReadFile | (1 << 3);

    private static readonly string[] SystemFolders = ["/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", "/dev"];

    /// <summary>False where the kernel has no Landlock.</summary>
    public static bool Enter(string folder, string source)
    {
        var handled = All;
        var ruleset = (int)syscall(CreateRuleset, (nint)(&handled), sizeof(ulong), 0, 0);
        if (ruleset < 0) return false;
        foreach (var path in SystemFolders.Append(AppContext.BaseDirectory).Append(Path.GetDirectoryName(typeof(object).Assembly.Location)!).Concat(NativeFolders())) Allow(ruleset, path, Read);
        Allow(ruleset, "/dev", Read | (1 << 1));
        Allow(ruleset, source, ReadFile);
        Allow(ruleset, folder, All);
        var isOn = syscall(RestrictSelf, ruleset, 0, 0, 0) == 0;
        _ = close(ruleset);
        return isOn;
    }

    private static IEnumerable<string> NativeFolders() =>
        new[] { "ATOLL_NATIVE", "DOTNET_ROOT" }.Select(Environment.GetEnvironmentVariable).OfType<string>()
            .Concat((Environment.GetEnvironmentVariable("LD_LIBRARY_PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries));

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

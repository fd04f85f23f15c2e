using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Atoll.ModelImports;

/// <summary>Opens a file that a process which may be anybody's left behind: no link is followed, and a pipe that nobody writes to is not waited for.</summary>
internal static partial class LeftFile
{
    /// <exception cref="IOException">There is no such file, or it is a link.</exception>
    public static SafeFileHandle Open(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            if (new FileInfo(path).LinkTarget is not null) throw new IOException($"'{path}' is a link.");
            return File.OpenHandle(path);
        }

        // O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC.
        var flags = OperatingSystem.IsMacOS() ? 0x4 | 0x100 | 0x1000000
            : RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x800 | 0x8000 | 0x80000
            : 0x800 | 0x20000 | 0x80000;
        var handle = open(path, flags);
        return handle < 0 ? throw new IOException($"'{path}' cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}.") : new SafeFileHandle(handle, ownsHandle: true);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);
}

using System.Runtime.InteropServices;

namespace Atoll.Serving;

/// <summary>Reads how much memory native code has allocated in this process, where the system can tell.</summary>
internal static unsafe partial class NativeHeap
{
    // glibc 2.33 or later. The sum is over all arenas; memory of .NET's collector is not a part of it.
    private static readonly delegate* unmanaged<MallInfo> MallInfo2 = FindMallInfo2();

    /// <summary>Bytes in use, or null where they cannot be read.</summary>
    public static long? AllocatedBytes()
    {
        if (MallInfo2 == null) return null;
        var info = MallInfo2();
        return (long)(info.InUse + info.Mapped);
    }

    private static delegate* unmanaged<MallInfo> FindMallInfo2()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libc.so.6", out var libc)) return null;
        return NativeLibrary.TryGetExport(libc, "mallinfo2", out var address) ? (delegate* unmanaged<MallInfo>)address : null;
    }

    /// <summary><c>struct mallinfo2</c>, of which two fields matter here.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct MallInfo
    {
        private readonly nuint _arena, _freeChunks, _fastChunks, _mappedChunks;
        public readonly nuint Mapped;
        private readonly nuint _unused, _fastFree;
        public readonly nuint InUse;
        private readonly nuint _free, _top;
    }
}

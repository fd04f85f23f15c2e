using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Atoll.Serving;

namespace Atoll.Platform.Imaging;

/// <summary>The few functions of libvips' C interface that decoding needs, called through function pointers.</summary>
/// <remarks>
/// libvips' convenient functions take variable arguments, which cannot be called portably from here. Operations are
/// objects with properties, so the same is done by creating one, setting its properties and building it.
/// </remarks>
internal static unsafe class Vips
{
    private const int LogLevelWarning = 1 << 4;

    private static readonly Lazy<Functions> Loaded = new(Start, LazyThreadSafetyMode.ExecutionAndPublication);

    /// <summary>The functions; the first call loads and starts the library.</summary>
    public static Functions Api => Loaded.Value;

    /// <summary>Version of the library that was loaded, such as 8.18.7.</summary>
    public static string Version => Marshal.PtrToStringUTF8((nint)Api.VersionString()) ?? "";

    private static Functions Start()
    {
        var api = new Functions(NativeLibraries.Load(BundledLibrary.Vips));

        fixed (byte* name = "atoll\0"u8)
        {
            if (api.Init(name) != 0) throw new InvalidOperationException($"libvips does not start: {TakeError(api)}");
        }

        // Loaders that nobody fuzzes are closed before the first image. The decoder names its loader anyway.
        api.BlockUntrustedSet(1);

        // Parallelism is by image, over the server's own threads. The cache of operations would keep customers' bytes alive.
        api.ConcurrencySet(1);
        api.CacheSetMax(0);

        // Warnings about somebody's picture do not belong on the server's terminal.
        fixed (byte* domain = "VIPS\0"u8)
        {
            api.LogSetHandler(domain, LogLevelWarning, &Discard, null);
        }

        return api;
    }

    /// <summary>The text that libvips keeps about what failed. One buffer for all threads: good for words, not for decisions.</summary>
    public static string TakeError(Functions api)
    {
        var text = api.ErrorBufferCopy();
        if (text is null) return "";

        var copy = Marshal.PtrToStringUTF8((nint)text) ?? "";
        api.Free(text);
        return copy;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Discard(byte* domain, int level, byte* message, void* data)
    {
    }

    /// <summary>GLib's box for a value of any type.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct GValue
    {
        public nuint Type;
        public ulong Data0;
        public ulong Data1;
    }

    /// <summary>Fundamental types of GLib, numbered by its binary interface.</summary>
    public static class GType
    {
        public const nuint Boolean = 5 << 2;
        public const nuint Int = 6 << 2;
        public const nuint String = 16 << 2;
        public const nuint Object = 20 << 2;
    }

    /// <summary>Addresses of the functions.</summary>
    public sealed class Functions(nint library)
    {
        public readonly delegate* unmanaged[Cdecl]<byte*, int> Init = (delegate* unmanaged[Cdecl]<byte*, int>)Find(library, "vips_init");
        public readonly delegate* unmanaged[Cdecl]<byte*> VersionString = (delegate* unmanaged[Cdecl]<byte*>)Find(library, "vips_version_string");
        public readonly delegate* unmanaged[Cdecl]<int, void> BlockUntrustedSet = (delegate* unmanaged[Cdecl]<int, void>)Find(library, "vips_block_untrusted_set");
        public readonly delegate* unmanaged[Cdecl]<int, void> ConcurrencySet = (delegate* unmanaged[Cdecl]<int, void>)Find(library, "vips_concurrency_set");
        public readonly delegate* unmanaged[Cdecl]<int, void> CacheSetMax = (delegate* unmanaged[Cdecl]<int, void>)Find(library, "vips_cache_set_max");
        public readonly delegate* unmanaged[Cdecl]<byte*> ErrorBufferCopy = (delegate* unmanaged[Cdecl]<byte*>)Find(library, "vips_error_buffer_copy");
        public readonly delegate* unmanaged[Cdecl]<nuint> TrackedBytes = (delegate* unmanaged[Cdecl]<nuint>)Find(library, "vips_tracked_get_mem");

        public readonly delegate* unmanaged[Cdecl]<byte*, nint> OperationNew = (delegate* unmanaged[Cdecl]<byte*, nint>)Find(library, "vips_operation_new");
        public readonly delegate* unmanaged[Cdecl]<nint*, int> OperationBuild = (delegate* unmanaged[Cdecl]<nint*, int>)Find(library, "vips_cache_operation_buildp");
        public readonly delegate* unmanaged[Cdecl]<nint, void> ObjectUnrefOutputs = (delegate* unmanaged[Cdecl]<nint, void>)Find(library, "vips_object_unref_outputs");

        public readonly delegate* unmanaged[Cdecl]<nuint> BlobType = (delegate* unmanaged[Cdecl]<nuint>)Find(library, "vips_blob_get_type");
        public readonly delegate* unmanaged[Cdecl]<nint, void*, nuint, nint> BlobNew = (delegate* unmanaged[Cdecl]<nint, void*, nuint, nint>)Find(library, "vips_blob_new");
        public readonly delegate* unmanaged[Cdecl]<nint, void> AreaUnref = (delegate* unmanaged[Cdecl]<nint, void>)Find(library, "vips_area_unref");
        public readonly delegate* unmanaged[Cdecl]<nuint> ArrayDoubleType = (delegate* unmanaged[Cdecl]<nuint>)Find(library, "vips_array_double_get_type");
        public readonly delegate* unmanaged[Cdecl]<GValue*, double*, int, void> ValueSetArrayDouble = (delegate* unmanaged[Cdecl]<GValue*, double*, int, void>)Find(library, "vips_value_set_array_double");

        public readonly delegate* unmanaged[Cdecl]<nint, int> ImageWidth = (delegate* unmanaged[Cdecl]<nint, int>)Find(library, "vips_image_get_width");
        public readonly delegate* unmanaged[Cdecl]<nint, int> ImageHeight = (delegate* unmanaged[Cdecl]<nint, int>)Find(library, "vips_image_get_height");
        public readonly delegate* unmanaged[Cdecl]<nint, int> ImageBands = (delegate* unmanaged[Cdecl]<nint, int>)Find(library, "vips_image_get_bands");
        public readonly delegate* unmanaged[Cdecl]<nint, int> ImageBandFormat = (delegate* unmanaged[Cdecl]<nint, int>)Find(library, "vips_image_get_format");
        public readonly delegate* unmanaged[Cdecl]<nint, int> ImageInterpretation = (delegate* unmanaged[Cdecl]<nint, int>)Find(library, "vips_image_get_interpretation");
        public readonly delegate* unmanaged[Cdecl]<nint, int> ImageOrientation = (delegate* unmanaged[Cdecl]<nint, int>)Find(library, "vips_image_get_orientation");
        public readonly delegate* unmanaged[Cdecl]<nint, int> ImageHasAlpha = (delegate* unmanaged[Cdecl]<nint, int>)Find(library, "vips_image_hasalpha");
        public readonly delegate* unmanaged[Cdecl]<nint, byte*, nuint> ImageFieldType = (delegate* unmanaged[Cdecl]<nint, byte*, nuint>)Find(library, "vips_image_get_typeof");
        public readonly delegate* unmanaged[Cdecl]<nint, nuint*, void*> ImageWriteToMemory = (delegate* unmanaged[Cdecl]<nint, nuint*, void*>)Find(library, "vips_image_write_to_memory");

        public readonly delegate* unmanaged[Cdecl]<void*, void> Free = (delegate* unmanaged[Cdecl]<void*, void>)Find(library, "g_free");
        public readonly delegate* unmanaged[Cdecl]<nint, void> ObjectUnref = (delegate* unmanaged[Cdecl]<nint, void>)Find(library, "g_object_unref");
        public readonly delegate* unmanaged[Cdecl]<nint, byte*, GValue*, void> ObjectSetProperty = (delegate* unmanaged[Cdecl]<nint, byte*, GValue*, void>)Find(library, "g_object_set_property");
        public readonly delegate* unmanaged[Cdecl]<nint, byte*, GValue*, void> ObjectGetProperty = (delegate* unmanaged[Cdecl]<nint, byte*, GValue*, void>)Find(library, "g_object_get_property");
        public readonly delegate* unmanaged[Cdecl]<GValue*, nuint, GValue*> ValueInit = (delegate* unmanaged[Cdecl]<GValue*, nuint, GValue*>)Find(library, "g_value_init");
        public readonly delegate* unmanaged[Cdecl]<GValue*, void> ValueUnset = (delegate* unmanaged[Cdecl]<GValue*, void>)Find(library, "g_value_unset");
        public readonly delegate* unmanaged[Cdecl]<GValue*, int, void> ValueSetInt = (delegate* unmanaged[Cdecl]<GValue*, int, void>)Find(library, "g_value_set_int");
        public readonly delegate* unmanaged[Cdecl]<GValue*, int, void> ValueSetBoolean = (delegate* unmanaged[Cdecl]<GValue*, int, void>)Find(library, "g_value_set_boolean");
        public readonly delegate* unmanaged[Cdecl]<GValue*, byte*, void> ValueSetString = (delegate* unmanaged[Cdecl]<GValue*, byte*, void>)Find(library, "g_value_set_string");
        public readonly delegate* unmanaged[Cdecl]<GValue*, nint, void> ValueSetObject = (delegate* unmanaged[Cdecl]<GValue*, nint, void>)Find(library, "g_value_set_object");
        public readonly delegate* unmanaged[Cdecl]<GValue*, nint, void> ValueSetBoxed = (delegate* unmanaged[Cdecl]<GValue*, nint, void>)Find(library, "g_value_set_boxed");
        public readonly delegate* unmanaged[Cdecl]<GValue*, nint> ValueDupObject = (delegate* unmanaged[Cdecl]<GValue*, nint>)Find(library, "g_value_dup_object");
        public readonly delegate* unmanaged[Cdecl]<byte*, int, delegate* unmanaged[Cdecl]<byte*, int, byte*, void*, void>, void*, uint> LogSetHandler =
            (delegate* unmanaged[Cdecl]<byte*, int, delegate* unmanaged[Cdecl]<byte*, int, byte*, void*, void>, void*, uint>)Find(library, "g_log_set_handler");

        private static nint Find(nint library, string name) =>
            NativeLibrary.TryGetExport(library, name, out var address)
                ? address
                : throw new EntryPointNotFoundException($"The libvips that was loaded has no function {name}; version 8.13 or later is needed.");
    }
}

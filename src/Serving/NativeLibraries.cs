using System.Runtime.InteropServices;


namespace Atoll.Serving;

/// <summary>A native library that Atoll brings along.</summary>
internal enum BundledLibrary
{
    OnnxRuntime,
    Vips,
}

/// <summary>What was found of a native library: a path and a version, or a remedy.</summary>
internal sealed record NativeLibraryReport(BundledLibrary Library, string Name, string? Path, string? Version, string? Remedy);

/// <summary>A native library is missing or cannot be loaded; the message names the remedy.</summary>
internal sealed class NativeLibraryException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Finds and loads native libraries by the name that they have on each system.</summary>
internal static class NativeLibraries
{
    /// <summary>The environment variable that names another folder to load from.</summary>
    public const string FolderVariable = "ATOLL_NATIVE";

    private static readonly Lock Gate = new();
    private static readonly Dictionary<BundledLibrary, (nint Handle, string Path)> Loaded = [];

    /// <summary>The part of this system in <c>runtimes/&lt;rid&gt;/native</c>.</summary>
    public static string RuntimeId { get; } = SystemName() + "-" + RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();

    /// <summary>The folder that libraries are loaded from.</summary>
    public static string Folder =>
        Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder
            ? Path.GetFullPath(folder)
            : Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeId, "native");

    /// <summary>Loads the library, once per process, and returns its handle.</summary>
    public static nint Load(BundledLibrary library) => LoadWithPath(library).Handle;

    /// <summary>The address of an exported function.</summary>
    public static nint GetExport(BundledLibrary library, string symbol)
    {
        var (handle, path) = LoadWithPath(library);
        return NativeLibrary.TryGetExport(handle, symbol, out var address)
            ? address
            : throw new NativeLibraryException($"{path} has no function {symbol}: it is not the library that Atoll was built for. {Remedy(library)}");
    }

    /// <summary>What was found, for <c>atoll doctor</c>. Never throws for a library that is missing.</summary>
    public static IReadOnlyList<NativeLibraryReport> Describe() => [.. Enum.GetValues<BundledLibrary>().Select(Describe)];

    private static NativeLibraryReport Describe(BundledLibrary library)
    {
        try
        {
            var path = LoadWithPath(library).Path;
            return new NativeLibraryReport(library, DisplayName(library), path, Version(library), null);
        }
        catch (NativeLibraryException missing)
        {
            return new NativeLibraryReport(library, DisplayName(library), null, null, missing.Message);
        }
    }

    private static (nint Handle, string Path) LoadWithPath(BundledLibrary library)
    {
        lock (Gate)
        {
            if (Loaded.TryGetValue(library, out var known)) return known;

            // Here and not in the binding: the switch is read by a static initialiser of the library, and the doctor loads it too.
            if (library == BundledLibrary.OnnxRuntime) Onnx.OnnxTelemetry.SwitchOff();

            var path = Find(library);
            try
            {
                return Loaded[library] = (NativeLibrary.Load(path), path);
            }
            catch (Exception refused) when (refused is DllNotFoundException or BadImageFormatException)
            {
                throw new NativeLibraryException($"{DisplayName(library)} is at {path} but this system refused to load it: {refused.Message} {Remedy(library)}", refused);
            }
        }
    }

    private static string Find(BundledLibrary library)
    {
        var folder = Folder;
        var patterns = FileNames(library);
        var found = Directory.Exists(folder)
            ? patterns.SelectMany(pattern => Directory.EnumerateFiles(folder, pattern).Order(StringComparer.Ordinal)).FirstOrDefault()
            : null;
        return found ?? throw new NativeLibraryException(
            $"{DisplayName(library)} was not found: looked for {string.Join(" or ", patterns)} in {folder}. {Remedy(library)}");
    }

    // The packages carry versions in the names on some systems, hence patterns.
    private static string[] FileNames(BundledLibrary library) => (library, SystemName()) switch
    {
        (BundledLibrary.OnnxRuntime, "win") => ["onnxruntime.dll"],
        (BundledLibrary.OnnxRuntime, "osx") => ["libonnxruntime.dylib", "libonnxruntime.*.dylib"],
        (BundledLibrary.OnnxRuntime, _) => ["libonnxruntime.so", "libonnxruntime.so.*"],
        (_, "win") => ["libvips-42.dll"],
        (_, "osx") => ["libvips-cpp.*.dylib", "libvips.*.dylib"],
        _ => ["libvips-cpp.so.*", "libvips.so.*"],
    };

    private static string DisplayName(BundledLibrary library) => library == BundledLibrary.OnnxRuntime ? "ONNX Runtime" : "libvips";

    private static string Remedy(BundledLibrary library)
    {
        var remedy = $"Build again with npm installed ('dotnet build' restores it), or set {FolderVariable} to a folder that holds {DisplayName(library)} for {RuntimeId}.";
        if (SystemName() == "win") remedy += " It also needs the Visual C++ 2015-2022 runtime.";
        if (RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal)) remedy += " The libraries from npm need glibc; this system has musl.";
        return remedy;
    }

    private static unsafe string? Version(BundledLibrary library)
    {
        if (library == BundledLibrary.OnnxRuntime) return Onnx.OrtApi.ReadVersion();
        var version = (delegate* unmanaged<byte*>)GetExport(library, "vips_version_string");
        return Marshal.PtrToStringUTF8((nint)version());
    }

    private static string SystemName() => OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
}

using System.Runtime.InteropServices;

namespace Atoll.Platform.Imaging;

/// <summary>Finds the file of libvips.</summary>
internal static class VipsLibrary
{
    public static nint Load()
    {
        foreach (var folder in Folders())
        {
            if (!Directory.Exists(folder)) continue;

            var file = Directory.EnumerateFiles(folder).FirstOrDefault(IsVips);
            if (file is not null) return NativeLibrary.Load(file);
        }

        throw new DllNotFoundException("libvips was not found beside the program; run `npm ci --ignore-scripts` in the folder native and build again.");
    }

    private static bool IsVips(string file)
    {
        var name = Path.GetFileName(file);
        return name.StartsWith("libvips-cpp.", StringComparison.Ordinal) || name.StartsWith("libvips-42.", StringComparison.Ordinal);
    }

    private static IEnumerable<string> Folders()
    {
        var rid = RuntimeInformation.RuntimeIdentifier;
        yield return Path.Combine(AppContext.BaseDirectory, "runtimes", rid, "native");

        var package = rid switch
        {
            "linux-x64" => "sharp-libvips-linux-x64",
            "linux-arm64" => "sharp-libvips-linux-arm64",
            "osx-arm64" => "sharp-libvips-darwin-arm64",
            "win-x64" => "sharp-win32-x64",
            _ => throw new PlatformNotSupportedException($"There is no libvips for {rid}."),
        };

        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            yield return Path.Combine(folder.FullName, "native", "node_modules", "@img", package, "lib");
        }
    }
}

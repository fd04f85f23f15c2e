namespace Atoll.Platform.Imaging;

/// <summary>File formats of images, told by the first bytes; file names lie.</summary>
internal enum ImageFormat
{
    Jpeg,
    Png,
    Gif,
    WebP,
    Tiff,
}

/// <summary>What the header of an image file says.</summary>
/// <param name="Width">As shown: after the turn that the file asks for.</param>
/// <param name="Height">As shown: after the turn that the file asks for.</param>
internal sealed record ImageInfo(ImageFormat Format, int Width, int Height);

/// <summary>Why bytes could not be read as an image.</summary>
internal enum ImageFault
{
    /// <summary>There are no bytes.</summary>
    Empty,

    /// <summary>The bytes are not of any image format known here.</summary>
    NotAnImage,

    /// <summary>An image, or a drawing, of a format that is refused.</summary>
    Unsupported,

    /// <summary>The file is cut off, or what it holds contradicts its header.</summary>
    Damaged,

    /// <summary>The header announces more pixels than allowed.</summary>
    TooManyPixels,
}

/// <summary>The bytes of a person's image cannot be used; the message says why in words fit for that person.</summary>
internal sealed class ImageFormatException(ImageFault fault, string message) : Exception(message)
{
    public ImageFault Fault { get; } = fault;
}

/// <summary>Tells formats by the first bytes of a file.</summary>
internal static class ImageSignature
{
    /// <summary>The format, or an <see cref="ImageFormatException"/> that names what the bytes are instead, where that can be told.</summary>
    public static ImageFormat Detect(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) throw new ImageFormatException(ImageFault.Empty, "The file is empty.");

        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])) return ImageFormat.Jpeg;
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])) return ImageFormat.Png;
        if (bytes.StartsWith("GIF87a"u8) || bytes.StartsWith("GIF89a"u8)) return ImageFormat.Gif;
        if (bytes.Length >= 12 && bytes.StartsWith("RIFF"u8) && bytes[8..].StartsWith("WEBP"u8)) return ImageFormat.WebP;
        if (bytes.StartsWith("II*\0"u8) || bytes.StartsWith("MM\0*"u8) || bytes.StartsWith("II+\0"u8) || bytes.StartsWith("MM\0+"u8)) return ImageFormat.Tiff;

        if (Refused(bytes) is { } name)
        {
            throw new ImageFormatException(ImageFault.Unsupported, $"{name} is not supported; convert it to JPEG or PNG.");
        }

        throw new ImageFormatException(ImageFault.NotAnImage, "The content is not an image; JPEG, PNG, GIF, WebP and TIFF can be read.");
    }

    private static string? Refused(ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith("BM"u8) && bytes.Length >= 26) return "BMP";
        if (bytes.StartsWith("%PDF-"u8)) return "PDF";
        if (bytes.StartsWith("8BPS"u8)) return "Photoshop (PSD)";
        if (bytes.StartsWith("\0\0\u0001\0"u8)) return "Icon (ICO)";
        if (bytes.Length >= 12 && bytes[4..].StartsWith("ftyp"u8)) return bytes[8..].StartsWith("avi"u8) ? "AVIF" : "HEIF or video";
        if (bytes.StartsWith("\0\0\0\u000CjP"u8) || bytes.StartsWith("\0\0\0\u000CJXL"u8)) return "JPEG 2000 or JPEG XL";

        var head = bytes[..Math.Min(bytes.Length, 1024)];
        return head.IndexOf("<svg"u8) >= 0 ? "SVG" : null;
    }
}

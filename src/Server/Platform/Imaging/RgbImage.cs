namespace Atoll.Platform.Imaging;

/// <summary>Decoded pixels, 8 bits each, red green blue, rows from the top.</summary>
/// <param name="Pixels">height x width x 3 bytes.</param>
internal sealed record RgbImage(int Width, int Height, byte[] Pixels);

namespace Atoll.Training.Images;

/// <summary>Random variants of an image, as a camera or another person might have taken it.</summary>
internal sealed class ImageAugmentation
{
    // Of small images every pixel counts: they are only shifted.
    private const int SmallSide = 40;
    private const int ShiftMax = 2;
    private const float ZoomLeast = 0.75f;
    private const float StretchMost = 1.15f;
    private const float LightMost = 0.25f;

    private readonly int _channels;
    private readonly int _height;
    private readonly int _width;
    private readonly bool _isVaried;

    /// <param name="images">Size and channels.</param>
    /// <param name="augment">Whether images are moved and recoloured.</param>
    public ImageAugmentation(PreparedImages images, bool augment)
    {
        _channels = images.Channels;
        _height = images.Height;
        _width = images.Width;
        _isVaried = augment;
    }

    private bool IsSmall => Math.Max(_height, _width) <= SmallSide;

    /// <summary>Writes a variant of <paramref name="source"/>; both are [channels, height, width].</summary>
    /// <param name="source">The image.</param>
    /// <param name="target">Gets the variant.</param>
    /// <param name="mayMirror">Whether the variant is mirrored half of the time.</param>
    /// <param name="random">Decides everything.</param>
    public void Vary(ReadOnlySpan<byte> source, Span<byte> target, bool mayMirror, SplitMix64 random)
    {
        var isMirrored = mayMirror && random.Next(2) == 1;
        if (!_isVaried)
        {
            Shift(source, target, 0, 0, isMirrored);
            return;
        }
        if (IsSmall)
        {
            Shift(source, target, random.Next(2 * ShiftMax + 1) - ShiftMax, random.Next(2 * ShiftMax + 1) - ShiftMax, isMirrored);
            return;
        }
        Crop(source, target, ref random, isMirrored);
        Recolour(target, ref random);
    }

    /// <summary>Moves whole pixels; the edge is repeated.</summary>
    private void Shift(ReadOnlySpan<byte> source, Span<byte> target, int down, int right, bool isMirrored)
    {
        for (var channel = 0; channel < _channels; channel++)
        for (var y = 0; y < _height; y++)
        {
            var from = source.Slice((channel * _height + Math.Clamp(y - down, 0, _height - 1)) * _width, _width);
            var to = target.Slice((channel * _height + y) * _width, _width);
            for (var x = 0; x < _width; x++)
            {
                var position = Math.Clamp(x - right, 0, _width - 1);
                to[x] = from[isMirrored ? _width - 1 - position : position];
            }
        }
    }

    /// <summary>Cuts out a random part and stretches it over the image, with linear interpolation.</summary>
    private void Crop(ReadOnlySpan<byte> source, Span<byte> target, ref SplitMix64 random, bool isMirrored)
    {
        var zoom = ZoomLeast + (1 - ZoomLeast) * (float)random.NextDouble();
        var stretch = MathF.Pow(StretchMost, (float)random.NextDouble() * 2 - 1);
        var (scaleY, scaleX) = (Math.Min(1, zoom * stretch), Math.Min(1, zoom / stretch));
        var top = (float)random.NextDouble() * (1 - scaleY) * (_height - 1);
        var left = (float)random.NextDouble() * (1 - scaleX) * (_width - 1);

        Span<int> columns = stackalloc int[_width];
        Span<int> columnShares = stackalloc int[_width];
        for (var x = 0; x < _width; x++)
        {
            var position = left + (isMirrored ? _width - 1 - x : x) * scaleX;
            columns[x] = Math.Min((int)position, _width - 2);
            columnShares[x] = (int)((position - columns[x]) * 256);
        }
        for (var y = 0; y < _height; y++)
        {
            var position = top + y * scaleY;
            var row = Math.Min((int)position, _height - 2);
            var share = (int)((position - row) * 256);
            for (var channel = 0; channel < _channels; channel++)
            {
                var upper = source.Slice((channel * _height + row) * _width, _width);
                var lower = source.Slice((channel * _height + row + 1) * _width, _width);
                var to = target.Slice((channel * _height + y) * _width, _width);
                for (var x = 0; x < to.Length; x++)
                {
                    var (column, columnShare) = (columns[x], columnShares[x]);
                    var above = upper[column] * (256 - columnShare) + upper[column + 1] * columnShare;
                    var below = lower[column] * (256 - columnShare) + lower[column + 1] * columnShare;
                    to[x] = (byte)((above * (256 - share) + below * share + (1 << 15)) >> 16);
                }
            }
        }
    }

    /// <summary>Changes brightness, contrast and, of coloured images, saturation.</summary>
    private void Recolour(Span<byte> pixels, ref SplitMix64 random)
    {
        var brightness = 1 + LightMost * ((float)random.NextDouble() * 2 - 1);
        var contrast = 1 + LightMost * ((float)random.NextDouble() * 2 - 1);
        var saturation = _channels == 3 ? 1 + LightMost * ((float)random.NextDouble() * 2 - 1) : 1;
        var plane = _height * _width;
        Span<byte> light = stackalloc byte[256];
        for (var i = 0; i < light.Length; i++) light[i] = Round((i - 128) * contrast * brightness + 128 * brightness);
        foreach (ref var pixel in pixels) pixel = light[pixel];
        if (saturation == 1) return;

        var reds = pixels[..plane];
        var greens = pixels.Slice(plane, plane);
        var blues = pixels.Slice(2 * plane, plane);
        for (var i = 0; i < plane; i++)
        {
            var grey = (reds[i] + greens[i] + blues[i]) * (1f / 3);
            reds[i] = Round(grey + (reds[i] - grey) * saturation);
            greens[i] = Round(grey + (greens[i] - grey) * saturation);
            blues[i] = Round(grey + (blues[i] - grey) * saturation);
        }
    }

    private static byte Round(float value) => (byte)Math.Clamp(value + 0.5f, 0, 255);
}

namespace Atoll.Training.Autodiff;

/// <summary>Which pixels a convolution with an odd kernel and padding of half a kernel reads for which output.</summary>
internal readonly record struct ConvolutionGeometry(int Height, int Width, int Kernel, int Stride)
{
    public int Padding => Kernel / 2;

    public int OutHeight => (Height - 1) / Stride + 1;

    public int OutWidth => (Width - 1) / Stride + 1;

    public int Taps => Kernel * Kernel;

    public int Pixels => Height * Width;

    public int OutPixels => OutHeight * OutWidth;

    /// <summary>Per output pixel and tap the pixel read; taps outside the image read the zero row behind the last pixel.</summary>
    public long[] Reads()
    {
        var reads = new long[OutPixels * Taps];
        var i = 0;
        for (var outY = 0; outY < OutHeight; outY++)
        for (var outX = 0; outX < OutWidth; outX++)
        for (var ky = 0; ky < Kernel; ky++)
        for (var kx = 0; kx < Kernel; kx++)
        {
            var (y, x) = (outY * Stride + ky - Padding, outX * Stride + kx - Padding);
            reads[i++] = y >= 0 && y < Height && x >= 0 && x < Width ? y * Width + x : Pixels;
        }
        return reads;
    }

    /// <summary>
    /// Per pixel the positions in <see cref="Reads"/> that read it, filled up to the same number for all with the zero row
    /// behind the last position.
    /// </summary>
    public long[] Readers(out int perPixel)
    {
        var readers = new List<long>[Pixels];
        for (var i = 0; i < readers.Length; i++) readers[i] = [];
        var reads = Reads();
        for (var i = 0; i < reads.Length; i++)
            if (reads[i] < Pixels) readers[reads[i]].Add(i);

        perPixel = Math.Max(1, readers.Max(positions => positions.Count));
        var table = new long[Pixels * perPixel];
        Array.Fill(table, reads.Length);
        for (var i = 0; i < readers.Length; i++) readers[i].CopyTo(table, i * perPixel);
        return table;
    }

    /// <summary>Per output pixel the 2 x 2 window of output pixels that begins there; beyond the edge the zero row.</summary>
    public long[] Windows()
    {
        var windows = new long[OutPixels * 4];
        var i = 0;
        for (var y = 0; y < OutHeight; y++)
        for (var x = 0; x < OutWidth; x++)
        for (var a = 0; a < 2; a++)
        for (var b = 0; b < 2; b++)
            windows[i++] = y + a < OutHeight && x + b < OutWidth ? (y + a) * OutWidth + x + b : OutPixels;
        return windows;
    }
}

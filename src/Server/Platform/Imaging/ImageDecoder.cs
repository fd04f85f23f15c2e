using static Atoll.Platform.Imaging.Vips;

namespace Atoll.Platform.Imaging;

/// <summary>Turns the bytes of an image file into pixels, the same way for learning and for predicting. Safe for many threads.</summary>
internal static unsafe class ImageDecoder
{
    /// <summary>Fifty million pixels: a large camera's picture, 150 MB decoded.</summary>
    public const long PixelsMaxDefault = 50_000_000;

    private const int FailOnError = 2;
    private const int AccessSequential = 1;
    private const int InterpretationSrgb = 22;
    private const int BandFormatUchar = 0;

    /// <summary>Format and size as the header tells them; the pixels are not decoded, so that the file may still be damaged.</summary>
    public static ImageInfo Probe(ReadOnlySpan<byte> bytes, long pixelsMax = PixelsMaxDefault)
    {
        var format = ImageSignature.Detect(bytes);
        fixed (byte* data = bytes)
        {
            using var image = Open(Api, format, data, bytes.Length, sequential: true, pixelsMax);
            return Describe(format, image);
        }
    }

    /// <summary>As <see cref="Probe"/>, after reading every byte: what passes can be decoded. Large JPEG files are decoded at an eighth of their size, which is faster.</summary>
    public static ImageInfo Verify(ReadOnlySpan<byte> bytes, long pixelsMax = PixelsMaxDefault)
    {
        var info = Probe(bytes, pixelsMax);
        if (info.Format != ImageFormat.Jpeg || (long)info.Width * info.Height < 1_000_000)
        {
            Decode(bytes, pixelsMax);
            return info;
        }

        var api = Api;
        fixed (byte* data = bytes)
        {
            using var pipeline = new Pipeline(api, Open(api, info.Format, data, bytes.Length, sequential: true, pixelsMax, shrink: 8));
            ToSrgb(api, pipeline);
            nuint size = 0;
            var pixels = api.ImageWriteToMemory(pipeline.Image.Handle, &size);
            if (pixels is null) throw Damaged(api);

            api.Free(pixels);
        }

        return info;
    }

    /// <summary>Decodes to sRGB, turned as the file asks for, transparency over white; the first frame of a moving image.</summary>
    public static RgbImage Decode(ReadOnlySpan<byte> bytes, long pixelsMax = PixelsMaxDefault)
    {
        var api = Api;
        var format = ImageSignature.Detect(bytes);
        fixed (byte* data = bytes)
        {
            using var pipeline = new Pipeline(api, Open(api, format, data, bytes.Length, sequential: true, pixelsMax));
            if (api.ImageOrientation(pipeline.Image.Handle) > 1)
            {
                // A turned picture is read in another order than it is stored.
                pipeline.Then(Open(api, format, data, bytes.Length, sequential: false, pixelsMax));
                pipeline.Then("autorot\0"u8);
            }

            ToSrgb(api, pipeline);
            if (api.ImageHasAlpha(pipeline.Image.Handle) != 0)
            {
                pipeline.Then("flatten\0"u8, static operation => operation.Set("background\0"u8, 255.0));
            }

            if (api.ImageBandFormat(pipeline.Image.Handle) != BandFormatUchar)
            {
                pipeline.Then("cast\0"u8, static operation => operation.Set("format\0"u8, BandFormatUchar));
            }

            if (api.ImageBands(pipeline.Image.Handle) > 3)
            {
                pipeline.Then("extract_band\0"u8, static operation =>
                {
                    operation.Set("band\0"u8, 0);
                    operation.Set("n\0"u8, 3);
                });
            }

            return ReadPixels(api, pipeline.Image);
        }
    }

    private static void ToSrgb(Functions api, Pipeline pipeline)
    {
        // A profile says what the numbers mean; a broken one is not worth losing the picture for.
        if (HasProfile(api, pipeline.Image) && pipeline.TryThen("icc_transform\0"u8, static operation =>
            {
                operation.Set("embedded\0"u8, true);
                operation.Set("output-profile\0"u8, "srgb\0"u8);
            }))
        {
            return;
        }

        if (api.ImageInterpretation(pipeline.Image.Handle) != InterpretationSrgb)
        {
            pipeline.Then("colourspace\0"u8, static operation => operation.Set("space\0"u8, InterpretationSrgb));
        }
    }

    private static bool HasProfile(Functions api, ImageHandle image)
    {
        fixed (byte* field = "icc-profile-data\0"u8)
        {
            return api.ImageFieldType(image.Handle, field) != 0;
        }
    }

    private static RgbImage ReadPixels(Functions api, ImageHandle image)
    {
        int width = api.ImageWidth(image.Handle), height = api.ImageHeight(image.Handle), bands = api.ImageBands(image.Handle);
        nuint size = 0;
        var pixels = api.ImageWriteToMemory(image.Handle, &size);
        if (pixels is null) throw Damaged(api);

        try
        {
            if (bands != 3 || (long)size != 3L * width * height)
            {
                throw new ImageFormatException(ImageFault.Unsupported, $"An image of {bands} colour channels is not supported; convert it to RGB.");
            }

            var copy = GC.AllocateUninitializedArray<byte>((int)size);
            new ReadOnlySpan<byte>(pixels, (int)size).CopyTo(copy);
            return new RgbImage(width, height, copy);
        }
        finally
        {
            api.Free(pixels);
        }
    }

    private static ImageInfo Describe(ImageFormat format, ImageHandle image)
    {
        int width = Api.ImageWidth(image.Handle), height = Api.ImageHeight(image.Handle);

        // Orientations 5 to 8 lie on their side.
        return Api.ImageOrientation(image.Handle) >= 5 ? new(format, height, width) : new(format, width, height);
    }

    private static ImageHandle Open(Functions api, ImageFormat format, byte* data, int length, bool sequential, long pixelsMax, int shrink = 1)
    {
        var loader = format switch
        {
            ImageFormat.Jpeg => "jpegload_buffer\0"u8,
            ImageFormat.Png => "pngload_buffer\0"u8,
            ImageFormat.Gif => "gifload_buffer\0"u8,
            ImageFormat.WebP => "webpload_buffer\0"u8,
            _ => "tiffload_buffer\0"u8,
        };

        using var operation = new Operation(api, loader);
        operation.SetBlob("buffer\0"u8, data, length);
        operation.Set("fail-on\0"u8, FailOnError);
        if (shrink > 1) operation.Set("shrink\0"u8, shrink);
        if (sequential) operation.Set("access\0"u8, AccessSequential);

        var image = operation.Build() ?? throw Damaged(api);
        pixelsMax = Math.Min(pixelsMax, Array.MaxLength / 3);
        long pixels = (long)api.ImageWidth(image.Handle) * api.ImageHeight(image.Handle);
        if (pixels <= pixelsMax) return image;

        var message = $"The image is {api.ImageWidth(image.Handle)} x {api.ImageHeight(image.Handle)} pixels; at most {pixelsMax:N0} pixels are allowed.";
        image.Dispose();
        throw new ImageFormatException(ImageFault.TooManyPixels, message);
    }

    private static ImageFormatException Damaged(Functions api)
    {
        var first = TakeError(api).Split('\n', 2)[0].Trim();
        return new ImageFormatException(ImageFault.Damaged, first.Length == 0 ? "The image is damaged." : $"The image is damaged or cut off ({first}).");
    }

    /// <summary>One reference to an image of libvips.</summary>
    private sealed class ImageHandle(Functions api, nint handle) : IDisposable
    {
        private nint _handle = handle;

        public nint Handle => _handle;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _handle, 0) is var handle and not 0) api.ObjectUnref(handle);
        }
    }

    /// <summary>An image on its way: each step replaces it and lets the earlier one go.</summary>
    private sealed class Pipeline(Functions api, ImageHandle first) : IDisposable
    {
        public ImageHandle Image { get; private set; } = first;

        public void Then(ImageHandle next)
        {
            Image.Dispose();
            Image = next;
        }

        public void Then(ReadOnlySpan<byte> name, Action<Operation>? arguments = null)
        {
            if (!TryThen(name, arguments)) throw Damaged(api);
        }

        public bool TryThen(ReadOnlySpan<byte> name, Action<Operation>? arguments)
        {
            using var operation = new Operation(api, name);
            operation.Set("in\0"u8, Image);
            arguments?.Invoke(operation);
            if (operation.Build() is not { } next) return false;

            Then(next);
            return true;
        }

        public void Dispose() => Image.Dispose();
    }

    /// <summary>An operation of libvips while its arguments are set.</summary>
    private sealed class Operation : IDisposable
    {
        private readonly Functions _api;
        private nint _handle;

        public Operation(Functions api, ReadOnlySpan<byte> name)
        {
            _api = api;
            fixed (byte* text = name) _handle = api.OperationNew(text);
            if (_handle == 0) throw new InvalidOperationException($"libvips has no such operation: {TakeError(api)}");
        }

        public void Set(ReadOnlySpan<byte> property, int value)
        {
            GValue box = default;
            _api.ValueInit(&box, GType.Int);
            _api.ValueSetInt(&box, value);
            Set(property, &box);
        }

        public void Set(ReadOnlySpan<byte> property, bool value)
        {
            GValue box = default;
            _api.ValueInit(&box, GType.Boolean);
            _api.ValueSetBoolean(&box, value ? 1 : 0);
            Set(property, &box);
        }

        public void Set(ReadOnlySpan<byte> property, double value)
        {
            GValue box = default;
            _api.ValueInit(&box, _api.ArrayDoubleType());
            _api.ValueSetArrayDouble(&box, &value, 1);
            Set(property, &box);
        }

        public void Set(ReadOnlySpan<byte> property, ReadOnlySpan<byte> text)
        {
            GValue box = default;
            _api.ValueInit(&box, GType.String);
            fixed (byte* value = text) _api.ValueSetString(&box, value);
            Set(property, &box);
        }

        public void Set(ReadOnlySpan<byte> property, ImageHandle image)
        {
            GValue box = default;
            _api.ValueInit(&box, GType.Object);
            _api.ValueSetObject(&box, image.Handle);
            Set(property, &box);
        }

        /// <summary>The bytes are not copied: they must stay where they are until the last image made of them is gone.</summary>
        public void SetBlob(ReadOnlySpan<byte> property, byte* data, int length)
        {
            var blob = _api.BlobNew(0, data, (nuint)length);
            GValue box = default;
            _api.ValueInit(&box, _api.BlobType());
            _api.ValueSetBoxed(&box, blob);
            Set(property, &box);
            _api.AreaUnref(blob);
        }

        /// <summary>The operation's image, or null when it failed; then libvips' error text says why.</summary>
        public ImageHandle? Build()
        {
            var handle = _handle;
            var failed = _api.OperationBuild(&handle) != 0;
            _handle = handle;
            if (failed) return null;

            GValue box = default;
            _api.ValueInit(&box, GType.Object);
            fixed (byte* name = "out\0"u8) _api.ObjectGetProperty(_handle, name, &box);
            var image = _api.ValueDupObject(&box);
            _api.ValueUnset(&box);
            return image == 0 ? null : new ImageHandle(_api, image);
        }

        public void Dispose()
        {
            if (_handle == 0) return;

            _api.ObjectUnrefOutputs(_handle);
            _api.ObjectUnref(_handle);
            _handle = 0;
        }

        private void Set(ReadOnlySpan<byte> property, GValue* box)
        {
            fixed (byte* name = property) _api.ObjectSetProperty(_handle, name, box);
            _api.ValueUnset(box);
        }
    }
}

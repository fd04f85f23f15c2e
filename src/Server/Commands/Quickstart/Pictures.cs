using Atoll.Platform.Imaging;

namespace Atoll.Commands.Quickstart;

/// <summary>Draws small grey images with characters, so that a terminal can show what a model was asked about.</summary>
internal static class Pictures
{
    public const int Columns = 14;
    public const int Rows = 7;

    private const string Shades = " .:-=+*#%@";

    /// <summary>The image as lines of equal width, light where it is bright.</summary>
    public static string[] Draw(RgbImage image)
    {
        var lines = new string[Rows];
        for (var row = 0; row < Rows; row++)
        {
            lines[row] = string.Create(Columns, (image, row), static (line, state) =>
            {
                for (var column = 0; column < Columns; column++)
                {
                    var brightness = Brightness(state.image, column, state.row);
                    line[column] = Shades[Math.Min(Shades.Length - 1, (int)(brightness * Shades.Length))];
                }
            });
        }
        return lines;
    }

    /// <summary>Mean brightness of a cell, 0 to 1.</summary>
    private static double Brightness(RgbImage image, int column, int row)
    {
        var (left, right) = (column * image.Width / Columns, Math.Max(column * image.Width / Columns + 1, (column + 1) * image.Width / Columns));
        var (top, bottom) = (row * image.Height / Rows, Math.Max(row * image.Height / Rows + 1, (row + 1) * image.Height / Rows));
        var pixels = image.Pixels;
        long sum = 0;
        for (var y = top; y < bottom; y++)
            for (var x = left; x < right; x++)
                for (var channel = 0; channel < 3; channel++)
                    sum += pixels[((y * image.Width) + x) * 3 + channel];
        return sum / (255.0 * 3 * (right - left) * (bottom - top));
    }
}
